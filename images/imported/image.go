package imported

import (
	"crypto/sha256"
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"microcosm/images/archive"
	"microcosm/images/guest/oci"
	"microcosm/images/isa"
	"microcosm/images/unpack"
)

// defaultPath is where a program is looked for if the image says nothing.
const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// image unpacks an image and returns how it is started. It listens on the usual
// port if neither it nor start says where.
func (w *work) image(s Source, start Start, usual int) (oci.Function, Origin, error) {
	entry, err := s.Archive.Choose(s.Image, w.into.ISA)
	if err != nil {
		return oci.Function{}, Origin{}, err
	}
	w.images++
	dir := filepath.Join(w.scratch, strconv.Itoa(w.images))
	contents := filepath.Join(dir, "contents")
	if err := os.MkdirAll(contents, 0o700); err != nil {
		return oci.Function{}, Origin{}, err
	}
	origin := Origin{Image: entry.Digest, Names: entry.Names}
	tree := unpack.New(contents, w.into.Limits)
	top, chain := "", ""
	for _, l := range s.Archive.Layers(entry) {
		hides, err := apply(tree, l)
		if err != nil {
			return oci.Function{}, Origin{}, err
		}
		chain = fmt.Sprintf("%x", sha256.Sum256([]byte(chain+" "+l.DiffID)))
		if hides {
			top = "" // it holds what is visible of those below
		}
		next := layer{name: oci.Imported + chain[:16], below: top}
		if !w.known(next.name) {
			next.fresh = filepath.Join(dir, next.name)
			if err := tree.Write(next.fresh, hides); err != nil {
				return oci.Function{}, Origin{}, err
			}
		}
		w.layers = append(w.layers, next)
		top = next.name
		origin.Layers = append(origin.Layers, l.DiffID)
	}
	if top == "" {
		return oci.Function{}, Origin{}, fmt.Errorf("image %s has no layers", entry)
	}
	if start.Port == 0 && len(entry.Config().Config.ExposedPorts) == 0 {
		start.Port = usual
	}
	f, err := describe(entry.Config(), start, tree, w.into.ISA)
	f.Layers = []string{top}
	if err != nil {
		err = fmt.Errorf("image %s: %w", entry, err)
	}
	return f, origin, err
}

// known reports whether the layer is in place already or was made just now.
func (w *work) known(name string) bool {
	if slices.ContainsFunc(w.layers, func(l layer) bool { return l.name == name }) {
		return true
	}
	_, err := os.Lstat(filepath.Join(w.root, "layers", name))
	return err == nil
}

func apply(tree *unpack.Tree, l archive.Layer) (hides bool, err error) {
	r, err := l.Open()
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return tree.Apply(r)
}

// describe returns how an image is started. The error joins every mistake.
func describe(config *v1.ConfigFile, start Start, tree *unpack.Tree, i isa.ISA) (oci.Function, error) {
	c := config.Config
	f := oci.Function{
		Args: arguments(c, start), Env: environment(c.Env, start.Env), Dir: first(start.Dir, c.WorkingDir),
		MemoryMiB: start.MemoryMiB, Writable: slices.Sorted(maps.Keys(c.Volumes)),
	}
	if f.Dir != "" && !path.IsAbs(f.Dir) {
		f.Dir = "/" + f.Dir
	}
	var wrong []error
	var err error
	if f.Port, err = port(c, start); err != nil {
		wrong = append(wrong, err)
	}
	if f.UID, f.GID, err = user(tree, first(start.User, c.User)); err != nil {
		wrong = append(wrong, err)
	}
	for _, dir := range f.Writable {
		if !tree.Directory(dir) {
			wrong = append(wrong, fmt.Errorf("its volume %s is no directory of it", dir))
		}
	}
	if len(f.Args) == 0 {
		wrong = append(wrong, errors.New("it says nothing about what to start: say it with --command, or with command in a compose file"))
	} else if err := runs(tree, program(tree, f), i, 0); err != nil {
		wrong = append(wrong, err)
	}
	return f, errors.Join(wrong...)
}

func first(words ...string) string {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}

// arguments joins entry point and command as Docker does: another entry point
// makes the image's command void.
func arguments(c v1.Config, start Start) []string {
	entry, command := c.Entrypoint, c.Cmd
	if start.Entrypoint != nil {
		entry, command = start.Entrypoint, nil
	}
	if start.Command != nil {
		command = start.Command
	}
	return slices.Concat(entry, command)
}

// environment puts more over the image's variables.
func environment(own, more []string) []string {
	env := slices.Clone(own)
	for _, m := range more {
		name, _, _ := strings.Cut(m, "=")
		env = slices.DeleteFunc(env, func(e string) bool { return strings.HasPrefix(e, name+"=") })
		env = append(env, m)
	}
	return env
}

// port returns where the image listens: as it was told, else the only one that
// it exposes.
func port(c v1.Config, start Start) (int, error) {
	if start.Port != 0 {
		if start.Port < 1 || start.Port > 65535 {
			return 0, fmt.Errorf("port %d: want 1 to 65535", start.Port)
		}
		return start.Port, nil
	}
	exposed := slices.Sorted(maps.Keys(c.ExposedPorts))
	if len(exposed) != 1 {
		return 0, fmt.Errorf("it exposes %d ports: say with --port where it listens", len(exposed))
	}
	number, protocol, _ := strings.Cut(exposed[0], "/")
	n, err := strconv.ParseUint(number, 10, 16)
	if err != nil || n == 0 || protocol != "" && protocol != "tcp" {
		return 0, fmt.Errorf("it exposes %q, which is no TCP port", exposed[0])
	}
	return int(n), nil
}

// maxTable is how much of /etc/passwd is read.
const maxTable = 1 << 20

// user finds the numbers of USER or USER:GROUP, as the image's own tables know
// them.
func user(tree *unpack.Tree, spec string) (uid, gid int, err error) {
	if spec == "" {
		return 0, 0, nil
	}
	name, group, both := strings.Cut(spec, ":")
	number, errNumber := strconv.Atoi(name)
	fields := lookup(tree, "/etc/passwd", name, 2)
	switch {
	case len(fields) > 3:
		var wrong [2]error
		uid, wrong[0] = strconv.Atoi(fields[2])
		gid, wrong[1] = strconv.Atoi(fields[3])
		if errors.Join(wrong[:]...) != nil || uid < 0 || gid < 0 { // nobody becomes root by mistake
			return 0, 0, fmt.Errorf("its user %q has no numbers in its /etc/passwd but %q and %q", name, fields[2], fields[3])
		}
	case errNumber == nil && number >= 0:
		uid = number
	default:
		return 0, 0, fmt.Errorf("its user %q is not in its /etc/passwd: a compose file can name another, as user: 1000", name)
	}
	if !both {
		return uid, gid, nil
	}
	if fields = lookup(tree, "/etc/group", group, 2); len(fields) > 2 {
		group = fields[2]
	}
	if gid, err = strconv.Atoi(group); err != nil || gid < 0 {
		return 0, 0, fmt.Errorf("its group %q is not in its /etc/group", group)
	}
	return uid, gid, nil
}

// lookup returns the fields of the line whose name, or number in field number,
// is word; nil if there is none.
func lookup(tree *unpack.Tree, table, word string, number int) []string {
	text, err := tree.ReadFile(table, maxTable)
	if err != nil {
		return nil
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		if fields := strings.Split(line, ":"); len(fields) > number && (fields[0] == word || fields[number] == word) {
			return fields
		}
	}
	return nil
}

// program returns the path of what is executed.
func program(tree *unpack.Tree, f oci.Function) string {
	name := f.Args[0]
	if path.IsAbs(name) {
		return name
	}
	if strings.Contains(name, "/") {
		return path.Join("/", f.Dir, name)
	}
	search := defaultPath
	for _, e := range f.Env {
		if value, ok := strings.CutPrefix(e, "PATH="); ok {
			search = value
		}
	}
	for dir := range strings.SplitSeq(search, ":") {
		if candidate := path.Join("/", dir, name); tree.Executable(candidate) {
			return candidate
		}
	}
	return name
}

// mostScripts is how many scripts may interpret each other. Linux, fs/exec.c:
// exec_binprm.
const mostScripts = 5

// runs returns why a program cannot be executed on the ISA: an image may lie
// about what it was built for.
func runs(tree *unpack.Tree, name string, i isa.ISA, depth int) error {
	if !tree.Executable(name) {
		return fmt.Errorf("it starts %s, which is not in the image or may not be executed", name)
	}
	f, err := tree.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	head := make([]byte, 256)
	n, _ := f.ReadAt(head, 0)
	head = head[:n]
	if line, ok := strings.CutPrefix(string(head), "#!"); ok && depth < mostScripts {
		line, _, _ = strings.Cut(line, "\n")
		if words := strings.Fields(line); len(words) > 0 {
			return runs(tree, words[0], i, depth+1)
		}
	}
	if !strings.HasPrefix(string(head), elf.ELFMAG) {
		return fmt.Errorf("it starts %s, which is neither an ELF program nor a script", name)
	}
	program, err := elf.NewFile(f)
	if err != nil {
		return fmt.Errorf("it starts %s: %w", name, err)
	}
	if program.Machine != i.Machine() {
		return fmt.Errorf("it starts %s, which is for %s, not for %s", name, program.Machine, i)
	}
	return nil
}
