package scenario

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/loadgen"
	"microcosm/loadgen/trace"
)

// The rules between keys. Each looks only at keys that have no mistake of their
// own, so that one slip is reported once.

func (a *Arrivals) check(r *reader, p place) {
	if !r.sound(p, "process") {
		return
	}
	for _, e := range split(a.Description().Validate()) {
		var wrong *loadgen.FieldError
		if errors.As(e, &wrong) && wrong.Field != "kind" {
			r.wrong(p.descend(wrong.Field), "%s", wrong.Problem)
		}
	}
}

// split undoes errors.Join.
func split(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

func (l *Law) check(r *reader, p place) {
	if !r.sound(p, "law") {
		return
	}
	switch {
	case l.Law == "lognormal" && (l.CV <= 0 || l.CV > 1000):
		r.wrong(p.child("cv"), "lognormal wants a coefficient of variation above 0 and at most 1000")
	case l.Law == "hyperexponential" && (l.CV <= 1 || l.CV > 1000):
		r.wrong(p.child("cv"), "hyperexponential wants a coefficient of variation above 1 and at most 1000: at 1 write law: exponential")
	case l.Law == "erlang" && (l.Phases < 1 || l.Phases > 1000):
		r.wrong(p.child("phases"), "erlang wants a whole number of phases from 1 to 1000")
	}
	if r.sound(p, "mean", "cv", "phases") {
		if _, err := l.Description().Distribution(); err != nil {
			r.wrong(p, "%v", err)
		}
	}
}

func (s *Service) check(r *reader, p place) { s.Law.check(r, p) }

func (s *Scaling) check(r *reader, p place) {
	if !r.sound(p, "kind", "sandboxes", "min", "max") {
		return
	}
	if s.Kind == "fixed" {
		s.Min, s.Max = s.Sandboxes, s.Sandboxes
	} else if s.Max != cluster.Unlimited && s.Min > s.Max {
		r.wrong(p.child("min"), "%d is more than max, %d: lower min or raise max", s.Min, s.Max)
	}
}

func (g *NodeGroup) check(r *reader, p place) {
	r.checkName(p.child("name"), g.Name)
	r.checkWord(p.child("platform"), g.Platform)
	if g.CoreSchedule != "" {
		r.checkFile(p.child("core-schedule"), g.CoreSchedule)
	}
	if g.Survival != "" {
		r.checkFile(p.child("survival"), g.Survival)
	}
	if c := p.child("survival"); c.node != nil && g.Lifetime != nil {
		r.wrong(c, "contradicts lifetime: remove one of the two")
	}
	if c := p.child("stagger"); c.node != nil && g.CoreSchedule == "" && r.sound(p, "core-schedule") {
		r.wrong(c, "goes with core-schedule only: remove it")
	}
}

func (c *Cluster) check(r *reader, p place) {
	if c.ControlPlane == "knative" {
		c.checkDecided(r, p)
	}
	var names []named
	for i, g := range c.Nodes {
		names = append(names, named{g.Name, g.Count, p.child("nodes").item(i)})
	}
	r.checkNames(names)
	if c.Failure != "" {
		r.checkFile(p.child("failure"), c.Failure)
	}
}

func (f *Fidelity) check(r *reader, p place) {
	r.checkWord(p.child("platform"), f.Platform)
	if _, err := ParseOverrides(f.Overrides); err != nil {
		r.wrong(p.child("overrides"), "%v", err)
	}
	r.checkWord(p.child("stack"), f.Stack)
	r.checkWord(p.child("mix"), f.Mix)
}

func (m *Model) check(r *reader, p place) {
	list := p.child("shares")
	if list.node == nil || !r.sound(p, "kind", "of", "shares") {
		return
	}
	if m.Of != "interleave" {
		r.wrong(list, "go with of: interleave only: a condition has a k, but no idle time")
		return
	}
	sum := 0.0
	for i, s := range m.Shares {
		sum += float64(s.Share)
		if at := list.item(i).child("condition"); r.sound(list.item(i), "condition") {
			if _, err := s.State(); err != nil {
				r.wrong(at, "%v", err)
			}
		}
	}
	if math.Abs(sum-1) > 1e-6 {
		r.wrong(list, "add up to %.4g %%, not to 100 %%", 100*sum)
	}
}

// State returns the state of a core that the condition stands for.
func (s ConditionShare) State() (servicetime.State, error) {
	c, err := servicetime.ParseCondition(s.Condition)
	switch {
	case err != nil:
		return servicetime.State{}, err
	case c.Kind == servicetime.Flush:
		return servicetime.State{New: true}, nil
	case c.Kind == servicetime.Warm || c.Kind == servicetime.Lukewarm && c.Mix == servicetime.CatalogMix:
		return servicetime.State{K: int64(c.K)}, nil
	}
	return servicetime.State{}, fmt.Errorf("%s is no condition that can be drawn: want warm, lukewarm:K or flush", c)
}

func (f *Function) check(r *reader, p place) {
	r.checkName(p.child("name"), f.Name)
	r.checkName(p.child("function"), f.Function)
	r.checkName(p.child("input"), f.Input)
	for _, key := range []string{"function", "input"} {
		if c := p.child(key); f.Service != nil && c.node != nil {
			r.wrong(c, "contradicts service: a function with a given law uses no measurement; remove one of the two")
		}
	}
}

func (t *Trace) check(r *reader, p place) {
	if !r.sound(p, "format", "path") || t.Format == trace.InvalidFormat || t.Path == "" {
		return
	}
	if t.Format == trace.Azure2019 {
		t.checkSlots(r, p)
	}
	c, full := p.child("path"), resolve(r.folder, t.Path)
	switch {
	case t.Format == trace.Azure2021:
		r.checkFile(c, t.Path)
	case !exists(full):
		r.wrong(c, "there is no %s: check the path, which is relative to the scenario's folder", full)
	}
	if err := trace.CheckHeaders(t.Format, full); err != nil {
		r.wrongs(c, split(err)...)
	}
}

// checkSlots reports a window that cuts through the time that one count covers.
func (t *Trace) checkSlots(r *reader, p place) {
	slot := time.Minute
	if t.Granularity == trace.Second {
		slot = time.Second
	}
	for key, d := range map[string]time.Duration{"start": t.Start, "duration": t.Duration} {
		if d%slot != 0 {
			r.wrong(p.child(key), "%v is no multiple of the granularity, %v", d, slot)
		}
	}
}

func (m *Map) check(r *reader, p place) {
	if !r.sound(p, "mapper", "profiles") {
		return
	}
	switch {
	case (m.Mapper == "") == (len(m.Profiles) == 0):
		r.wrong(p, "want either mapper (In-Vitro's mapper file) or profiles")
	case m.Mapper != "":
		r.checkFile(p.child("mapper"), m.Mapper)
		if c := p.child("error-cap"); c.node != nil {
			r.wrong(c, "goes with profiles only: remove it")
		}
	}
	for i, path := range m.Profiles {
		c := p.child("profiles")
		if c.node.kind == listNode {
			c = c.item(i)
		}
		r.checkFile(c, path)
	}
}

func (w *Workload) check(r *reader, p place) {
	if len(w.Functions) == 0 && w.Trace == nil && w.RPS == nil && len(w.Workflows) == 0 && r.sound(p, "functions", "trace", "rps", "workflows") {
		r.wrong(p, "nothing arrives: add functions with arrivals, or a trace")
	}
	if w.Map != nil && w.Trace == nil && r.sound(p, "trace") {
		r.wrong(p.child("map"), "joins the functions of a trace: add trace, or remove map")
	}
	var names []named
	if w.RPS != nil {
		names = w.RPS.names(r, p.child("rps"))
	}
	for i, f := range w.Functions {
		if f.Copies == 1 {
			f.Copies = 0 // it carries no number
		}
		names = append(names, named{f.Name, f.Copies, p.child("functions").item(i)})
	}
	r.checkNames(names)
	w.checkWorkflows(r, p)
	w.checkTimes(r, p)
}

func (w *Workload) checkTimes(r *reader, p place) {
	duration, warmUp := p.child("duration"), p.child("warm-up")
	switch {
	case w.Trace != nil && duration.node != nil:
		r.wrong(duration, "a trace has its own duration: remove this, or write workload.trace.duration")
	case w.Trace == nil && duration.node == nil && r.sound(p, "trace"):
		r.wrong(duration, "the key is missing: add duration: how long invocations arrive, such as 10m")
	}
	if warmUp.node == nil && w.Trace != nil {
		w.WarmUp = WarmUp{}
	}
	if !r.sound(p, "duration", "warm-up") {
		return
	}
	switch {
	case w.WarmUp.Time < 0 || w.WarmUp.Share < 0:
		r.wrong(warmUp, "%s is out of range: want 0s or more", warmUp.node.text)
	case w.WarmUp.Share >= 1 || w.Duration > 0 && w.WarmUp.Time >= w.Duration:
		r.wrong(warmUp, "%s leaves nothing to record: want less than the duration", warmUp.node.text)
	}
}

func (s *Scenario) check(r *reader, p place) {
	if p.child("name").node != nil {
		r.checkName(p.child("name"), s.Name)
	}
	s.checkMeasured(r, p)
	s.checkPlatforms(r, p)
	s.checkMemory(r, p)
	s.checkOrchestration(r, p)
	s.checkFactors(r, p)
}

// checkMeasured reports functions and inputs that the catalog does not hold.
func (s *Scenario) checkMeasured(r *reader, p place) {
	for _, m := range s.measuredFunctions(p) {
		item, name, input, key := m.place, m.name, m.input, m.key
		if name == "" || !r.sound(item, "name", "function", "input", "service") {
			continue
		}
		known, err := s.origin.catalog.lookup(name)
		switch {
		case errors.Is(err, functions.ErrUnknownFunction):
			r.wrong(item.child(key), "%v; a function that is not measured needs a service law", err)
			continue
		case err != nil:
			r.wrong(item.child(key), "the catalog cannot be read: %v", err)
			return
		}
		if _, err := known.Class(input); err != nil {
			r.wrong(item.child("input"), "%v", err)
		}
	}
}

// measuredFunction is a function that somebody has to have measured, and where it
// is asked for.
type measuredFunction struct {
	place       place
	name, input string // empty where a law is given
	key         string // of the place, that names it
}

func (s *Scenario) measuredFunctions(p place) (list []measuredFunction) {
	add := func(at place, function, name, input string) {
		key := "function"
		if function == "" {
			key = "name"
		}
		list = append(list, measuredFunction{at, name, input, key})
	}
	for i := range s.Workload.Functions {
		f := &s.Workload.Functions[i]
		name, input := f.Measured()
		add(p.descend(fmt.Sprintf("workload.functions[%d]", i)), f.Function, name, input)
	}
	if m := s.Workload.RPS; m != nil {
		name, input := m.measured()
		list = append(list, measuredFunction{p.descend("workload.rps"), name, input, "function"})
	}
	for i := range s.Workload.Workflows {
		w := &s.Workload.Workflows[i]
		for j := range w.Steps {
			name, input := s.Workload.measured(&w.Steps[j])
			add(p.descend(fmt.Sprintf("workload.workflows[%d].steps[%d]", i, j)), w.Steps[j].Function, name, input)
		}
	}
	return list
}

// Measures reports whether a service time of the scenario may be a measured one.
func (s *Scenario) Measures() bool {
	return s.Workload.Map != nil || slices.ContainsFunc(s.measuredFunctions(place{}), func(m measuredFunction) bool { return m.name != "" })
}

// checkPlatforms reports nodes without a platform where a measured function may
// run.
func (s *Scenario) checkPlatforms(r *reader, p place) {
	measured := place{}
	if s.Workload.Map != nil {
		measured = p.descend("workload.map")
	}
	for _, m := range s.measuredFunctions(p) {
		if m.name != "" && measured.path == "" {
			measured = m.place
		}
	}
	if measured.path == "" || s.Fidelity.Platform != "" || !r.sound(p.child("fidelity"), "platform") {
		return
	}
	for _, g := range s.Cluster.Nodes {
		if g.Platform == "" {
			missing := p.descend("fidelity.platform")
			if p.child("fidelity").node == nil {
				missing.key = measured.at()
			}
			r.wrong(missing, "the key is missing: %s needs measured service times; name the processor that they were measured on", measured.path)
			return
		}
	}
}

// checkMemory reports sandboxes that fit on no node.
func (s *Scenario) checkMemory(r *reader, p place) {
	largest := MiB(0)
	for _, g := range s.Cluster.Nodes {
		if g.Memory == 0 {
			return // without a limit, or mistaken
		}
		largest = max(largest, g.Memory)
	}
	fits := func(path string, memory MiB) {
		if len(s.Cluster.Nodes) > 0 && memory > largest {
			r.wrong(p.descend(path+".memory"), "fits on no node: the largest has %s", format(field{}, reflect.ValueOf(largest)))
		}
	}
	for i, f := range s.Workload.Functions {
		fits(fmt.Sprintf("workload.functions[%d]", i), f.Memory)
	}
	if m := s.Workload.RPS; m != nil {
		fits("workload.rps", m.Memory)
	}
}

// checkName reports a name that no table could show or no file could have.
func (r *reader) checkName(p place, name string) {
	if p.node != nil && (strings.TrimSpace(name) != name || name == "" || strings.ContainsAny(name, "/\\\n\r\t\x00")) {
		r.wrong(p, "want a name on one line, without slashes and without blanks around it")
	}
}

// checkWord reports an identifier with characters that none has.
func (r *reader) checkWord(p place, word string) {
	odd := func(c rune) bool {
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("-_.:@", c)
		return !plain
	}
	if p.node != nil && (word == "" || strings.ContainsFunc(word, odd)) {
		r.wrong(p, "%q is no name: want letters, digits, '-', '_', '.', ':' and '@' only", word)
	}
}

// named is the name of an item, and of how many numbered copies; 0 if it stands
// alone, without a number.
type named struct {
	name   string
	copies int
	item   place
}

// checkNames reports names that two items would share, their numbered copies
// included.
func (r *reader) checkNames(names []named) {
	alone, many := map[string]int{}, map[string]int{}
	for i, n := range names {
		known := alone
		if n.copies > 0 {
			known = many
		}
		if first, twice := known[n.name]; twice && n.name != "" {
			r.wrong(n.item.child("name"), "%s is called %q too: give each its own name", names[first].item.path, n.name)
			continue
		}
		known[n.name] = i
	}
	for _, n := range names {
		dash := strings.LastIndex(n.name, "-")
		if n.copies > 0 || dash < 0 {
			continue
		}
		number, err := strconv.Atoi(n.name[dash+1:])
		first, numbers := many[n.name[:dash]]
		if err == nil && numbers && number < names[first].copies && numbered(n.name[:dash], number) == n.name {
			r.wrong(n.item.child("name"), "a copy of %s is called %q too: give each its own name", names[first].item.path, n.name)
		}
	}
}

// numbered returns the name of one of several copies.
func numbered(name string, i int) string { return name + "-" + strconv.Itoa(i) }

// ParseOverrides reads fidelity.overrides: names and values.
func ParseOverrides(text string) (map[string]string, error) {
	overrides := map[string]string{}
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		if part == "" && text == "" {
			break
		}
		name, value, ok := strings.Cut(part, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" {
			return nil, fmt.Errorf("%q: want NAME=VALUE, comma-separated, like l2.size=2MiB", part)
		}
		if _, twice := overrides[name]; twice {
			return nil, fmt.Errorf("%s is given twice", name)
		}
		overrides[name] = value
	}
	return overrides, nil
}
