package functions

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// A Compose is a docker-compose file, as far as it says how containers are started.
type Compose struct {
	File     string
	Services []Service // in the order written
}

// A Service is one container of a compose file. Nil and zero values stand for what
// its image says.
type Service struct {
	Name      string
	Image     string
	Line      int
	Container string // container_name: another name by which it may be called
	Entry     []string
	Command   []string
	Env       []string
	Dir, User string
	Ports     []int // inside the container
	Needs     []string
	MemoryMiB int
}

// Service returns the service of that name.
func (c *Compose) Service(name string) (*Service, bool) {
	i := slices.IndexFunc(c.Services, func(s Service) bool { return s.Name == name })
	if i < 0 {
		return nil, false
	}
	return &c.Services[i], true
}

// Relative returns the services that name needs, and those need, each once, the
// nearest first.
func (c *Compose) Relative(name string) []string {
	var all []string
	queue := []string{name}
	for len(queue) > 0 {
		s, ok := c.Service(queue[0])
		queue = queue[1:]
		if !ok {
			continue
		}
		for _, need := range s.Needs {
			if need != name && !slices.Contains(all, need) {
				all = append(all, need)
				queue = append(queue, need)
			}
		}
	}
	return all
}

// composeReader reads a compose file: a service's keys are read, known to change
// nothing inside a guest, or a mistake.
type composeReader struct {
	*mistakes
	compose *Compose
	needs   map[string]ast.Node // where a service is named
}

// Keys of compose files that say nothing about what runs inside a container of a
// guest: names and files of the host's Docker, logs, restarts.
var (
	idleKeys        = []string{"version", "name", "networks"}
	idleServiceKeys = []string{"build", "healthcheck", "hostname", "init", "labels", "logging", "networks", "platform", "profiles",
		"pull_policy", "restart", "stdin_open", "stop_grace_period", "stop_signal", "tty"}
)

// ReadCompose reads a docker-compose file. What it does not know would change what
// runs, so it is refused; the error joins every mistake, each a *Mistake.
func ReadCompose(file string, source []byte) (*Compose, error) {
	r := &composeReader{&mistakes{file: file, source: source}, &Compose{File: file}, map[string]ast.Node{}}
	body := r.parseYAML()
	if body != nil {
		known := map[string]func(ast.Node){"services": r.services}
		r.ignore(known, idleKeys)
		r.known(body, []string{"services"}, known)
	}
	for name, node := range r.needs {
		if _, ok := r.compose.Service(name); !ok {
			r.add(node, "no service %q is described here", name)
		}
	}
	if err := r.all(); err != nil {
		return nil, err
	}
	return r.compose, nil
}

func (r *composeReader) ignore(known map[string]func(ast.Node), keys []string) {
	for _, key := range keys {
		known[key] = func(ast.Node) {}
	}
}

// known reads a mapping as fields does; keys that begin with x- are somebody
// else's.
func (r *composeReader) known(node ast.Node, required []string, known map[string]func(ast.Node)) {
	if mapping, ok := node.(ast.MapNode); ok {
		for it := mapping.MapRange(); it.Next(); {
			if key := keyText(it.Key()); strings.HasPrefix(key, "x-") {
				known[key] = func(ast.Node) {}
			}
		}
	}
	r.fields(node, required, known)
}

func (r *composeReader) services(node ast.Node) {
	for _, e := range r.entries(node) {
		s := Service{Name: e.key, Line: e.name.GetToken().Position.Line}
		if !validName.MatchString(strings.ReplaceAll(s.Name, "_", "-")) {
			r.add(e.name, "service %q: want at most 63 of a-z, 0-9, - and _", s.Name)
		}
		known := map[string]func(ast.Node){
			"image":          func(n ast.Node) { s.Image = r.value(n) },
			"container_name": func(n ast.Node) { s.Container = r.value(n) },
			"entrypoint":     func(n ast.Node) { s.Entry = r.argv(n) },
			"command":        func(n ast.Node) { s.Command = r.argv(n) },
			"environment":    func(n ast.Node) { s.Env = r.environment(n) },
			"working_dir":    func(n ast.Node) { s.Dir = r.value(n) },
			"user":           func(n ast.Node) { s.User = r.value(n) },
			"ports":          func(n ast.Node) { s.Ports = append(s.Ports, r.ports(n)...) },
			"expose":         func(n ast.Node) { s.Ports = append(s.Ports, r.ports(n)...) },
			"depends_on":     func(n ast.Node) { s.Needs = append(s.Needs, r.names(n)...) },
			"links":          func(n ast.Node) { s.Needs = append(s.Needs, r.links(n)...) },
			"mem_limit":      func(n ast.Node) { s.MemoryMiB = r.memory(n) },
			"deploy":         func(n ast.Node) { r.deploy(n, &s) },
		}
		r.ignore(known, idleServiceKeys)
		r.known(e.value, []string{"image"}, known)
		r.compose.Services = append(r.compose.Services, s)
	}
}

// value reads a scalar with its variables filled in.
func (r *composeReader) value(node ast.Node) string {
	text, err := interpolate(r.word(node))
	if err != nil {
		r.add(node, "%v", err)
	}
	return text
}

// interpolate fills in ${NAME:-default} and $$. A variable without a default would
// make the result depend on who imports it.
func interpolate(text string) (string, error) {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(text, "$")
		b.WriteString(before)
		switch {
		case !found:
			return b.String(), nil
		case strings.HasPrefix(after, "$"):
			b.WriteByte('$')
			text = after[1:]
		case strings.HasPrefix(after, "{"):
			inner, rest, closed := strings.Cut(after[1:], "}")
			name, fallback, hasDefault := strings.Cut(inner, "-")
			if !closed || !hasDefault || strings.Contains(fallback, "$") {
				return "", fmt.Errorf("the variable $%s has no default here: write its value", strings.TrimSuffix(name, ":"))
			}
			b.WriteString(fallback)
			text = rest
		default:
			return "", fmt.Errorf("%q asks for a variable: write its value, or $$ for a dollar sign", "$"+after)
		}
	}
}

// argv reads a list of arguments, or one text that is split as a shell would.
func (r *composeReader) argv(node ast.Node) []string {
	if _, ok := node.(*ast.SequenceNode); ok {
		argv := []string{}
		for _, item := range r.items(node) {
			text, err := interpolate(r.text(item))
			if err != nil {
				r.add(item, "%v", err)
			}
			argv = append(argv, text)
		}
		return argv
	}
	argv, err := split(r.value(node))
	if err != nil {
		r.add(node, "%v: write a list", err)
	}
	return argv
}

// split takes words apart at spaces outside of quotes.
func split(text string) ([]string, error) {
	words := []string{}
	var word strings.Builder
	inside, quote := false, rune(0)
	escaped := false
	for _, c := range text {
		switch {
		case escaped:
			word.WriteRune(c)
			escaped = false
		case c == '\\' && quote != '\'':
			escaped, inside = true, true
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '\'' || c == '"'):
			quote, inside = c, true
		case quote == 0 && (c == ' ' || c == '\t' || c == '\n'):
			if inside {
				words = append(words, word.String())
				word.Reset()
				inside = false
			}
		default:
			word.WriteRune(c)
			inside = true
		}
	}
	if quote != 0 || escaped {
		return nil, fmt.Errorf("%q has a quote that does not end", text)
	}
	if inside {
		words = append(words, word.String())
	}
	return words, nil
}

// environment reads NAME=value or a mapping.
func (r *composeReader) environment(node ast.Node) []string {
	var env []string
	if _, ok := node.(*ast.SequenceNode); ok {
		for _, item := range r.items(node) {
			text := r.value(item)
			if strings.Index(text, "=") < 1 && text != "" {
				r.add(item, "%q would take its value from who imports it: write NAME=value", text)
			}
			env = append(env, text)
		}
		return env
	}
	for _, e := range r.entries(node) {
		text, err := interpolate(r.text(e.value))
		if err != nil {
			r.add(e.value, "%v", err)
		}
		env = append(env, e.key+"="+text)
	}
	return env
}

// ports reads the ports inside the container: 8083, "50000:50051", {target: 50051}.
func (r *composeReader) ports(node ast.Node) []int {
	var ports []int
	for _, item := range r.items(node) {
		if _, ok := item.(ast.MapNode); ok {
			idle := map[string]func(ast.Node){"target": func(n ast.Node) { ports = append(ports, int(r.whole(n, 1, 65535))) }}
			r.ignore(idle, []string{"published", "protocol", "mode", "name", "app_protocol", "host_ip"})
			r.known(item, []string{"target"}, idle)
			continue
		}
		text := r.value(item)
		inside := strings.TrimSuffix(text[strings.LastIndex(text, ":")+1:], "/tcp")
		n, err := strconv.ParseUint(inside, 10, 16)
		if err != nil || n == 0 {
			r.add(item, "%q names no TCP port of the container", text)
			continue
		}
		ports = append(ports, int(n))
	}
	return ports
}

// names reads services as a list or as a mapping with conditions.
func (r *composeReader) names(node ast.Node) []string {
	var names []string
	if _, ok := node.(*ast.SequenceNode); ok {
		for _, item := range r.items(node) {
			name := r.word(item)
			r.needs[name] = item
			names = append(names, name)
		}
		return names
	}
	for _, e := range r.entries(node) {
		r.needs[e.key] = e.name
		names = append(names, e.key)
	}
	return names
}

// links reads SERVICE or SERVICE:ALIAS.
func (r *composeReader) links(node ast.Node) []string {
	var names []string
	for _, item := range r.items(node) {
		name, alias, _ := strings.Cut(r.word(item), ":")
		if alias != "" && alias != name {
			r.add(item, "an alias is not supported: call the service %q", name)
		}
		r.needs[name] = item
		names = append(names, name)
	}
	return names
}

// memoryUnits are compose's suffixes, in bytes.
var memoryUnits = map[string]int64{"b": 1, "k": 1 << 10, "kb": 1 << 10, "m": 1 << 20, "mb": 1 << 20, "g": 1 << 30, "gb": 1 << 30}

func (r *composeReader) memory(node ast.Node) int {
	text := strings.ToLower(r.value(node))
	digits := strings.TrimRight(text, "bkmg")
	n, err := strconv.ParseInt(digits, 10, 40)
	unit, ok := memoryUnits[text[len(digits):]]
	if text == digits {
		unit, ok = 1, true
	}
	if err != nil || !ok || n > 1<<50/unit || n*unit < 1<<20 {
		r.add(node, "%q is no amount of memory from 1m on, as 128m", text)
		return 0
	}
	return int(n * unit >> 20)
}

// deploy reads the limit of memory; the rest is for Docker's swarm.
func (r *composeReader) deploy(node ast.Node, s *Service) {
	limits := map[string]func(ast.Node){"memory": func(n ast.Node) { s.MemoryMiB = r.memory(n) }}
	r.ignore(limits, []string{"cpus", "pids"})
	resources := map[string]func(ast.Node){"limits": func(n ast.Node) { r.known(n, nil, limits) }}
	r.ignore(resources, []string{"reservations"})
	known := map[string]func(ast.Node){"resources": func(n ast.Node) { r.known(n, nil, resources) }}
	r.ignore(known, []string{"mode", "replicas", "restart_policy", "placement", "labels", "update_config"})
	r.known(node, nil, known)
}

// Like returns the catalog's function that a service is a build of, by its image's
// name, its own or that of its container: vhiveease/hotel-app-geo is geo. The
// services of a compose file that are like none are databases and tools.
func (c *Catalog) Like(s *Service) (string, bool) {
	image := path.Base(s.Image)
	if i := strings.IndexAny(image, ":@"); i >= 0 {
		image = image[:i]
	}
	for _, name := range []string{image, strings.TrimPrefix(image, "hotel-app-"), s.Name, s.Container} {
		if c.byName[name] != nil {
			return name, true
		}
	}
	return "", false
}
