package scenario

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"pgregory.net/rapid"

	"microcosm/cosim/cluster"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
	"microcosm/cosim/workflow"
	"microcosm/loadgen"
	"microcosm/loadgen/trace"
)

// drawScenario draws a valid scenario: every key of the schema takes part,
// since it is filled along the same tags that the reader follows.
func drawScenario(t *rapid.T) *Scenario {
	s := &Scenario{}
	fill(t, "", reflect.ValueOf(s).Elem())
	s.Name = drawName(t, "name")
	drawKnative(t, &s.Cluster)
	for i := range s.Cluster.Nodes {
		g := &s.Cluster.Nodes[i]
		g.Name, g.Memory, g.MemoryOvercommit = fmt.Sprintf("%s-%d-", g.Name, i), 0, 1
		g.CoreSchedule, g.Survival = "testdata/cores.csv", ""
		if g.Lifetime == nil {
			g.Survival = "testdata/survival.csv"
		}
	}
	for i := range s.Workload.Functions {
		f := &s.Workload.Functions[i]
		f.Name = fmt.Sprintf("%s_%d_", f.Name, i)
		if f.Service == nil {
			f.Function = rapid.SampledFrom([]string{"aes-go", "fibonacci-python", "auth-go"}).Draw(t, "function")
			f.Input = rapid.SampledFrom([]string{"", "default"}).Draw(t, "input")
		} else {
			f.Function, f.Input = "", ""
		}
		f.Scaling = fixScaling(f.Scaling)
	}
	s.Cluster.Failure = "testdata/failure.json"
	s.Cluster.Scaling = *fixScaling(&s.Cluster.Scaling)
	w := &s.Workload
	if m := w.RPS; m != nil {
		m.Cooldown = time.Duration(rapid.Int64Range(1e3, 1e13).Draw(t, "cooldown"))
		m.Function, m.Input, m.Memory = "", "", 64
		if m.Service == nil {
			m.Function = "auth-go"
		}
	}
	w.Map, w.Trace = nil, drawTrace(t)
	if w.Trace != nil {
		w.Duration = 0
	} else {
		w.Duration = time.Duration(rapid.Int64Range(1e9, 1e15).Draw(t, "duration"))
	}
	w.Workflows = rapid.SampledFrom([][]Workflow{nil, drawnWorkflows()}).Draw(t, "workflows")
	drawKubernetes(t, s)
	w.WarmUp = rapid.SampledFrom([]WarmUp{{}, {Time: 7 * time.Millisecond}, {Share: 0.07}, {Share: 0.29}}).Draw(t, "warm-up")
	s.Fidelity.Platform = "skylake-x86"
	s.Fidelity.Model.Shares = nil
	if s.Fidelity.Model.Of == "interleave" {
		s.Fidelity.Model.Shares = rapid.SampledFrom([][]ConditionShare{
			nil, {{"flush", 1}}, {{"warm", .07}, {"lukewarm:4", .93}},
		}).Draw(t, "shares")
	}
	s.Fidelity.Overrides = rapid.SampledFrom([]string{"", "l2.size=2MiB", "queue.rob=128, l2.size=2MiB"}).Draw(t, "overrides")
	s.Factors = rapid.SampledFrom([][]Factor{nil, nil, nil, {
		{Name: "a b", Set: "cluster.load-balancing", Levels: Levels{"sticky", "random"}},
		{Name: "true", Set: "fidelity.penalty", Levels: Levels{"0", "1", "1e-3"}},
		{Name: "123", Set: "cluster.nodes[0].cores", Levels: Levels{"3"}},
		{Name: "x", Set: "fidelity.platform", Levels: Levels{"12", "true", "null"}},
	}}).Draw(t, "factors")
	if s.Cluster.ControlPlane != "" {
		s.Factors = nil // one of them varies what Knative decides
	}
	return s
}

// drawKnative leaves the cluster's own policies, or sets Knative up with texts
// that Knative accepts.
func drawKnative(t *rapid.T, c *Cluster) {
	k := &c.Knative
	if evenly(t, "knative", 0, 1, 2, 3, 4, 5) > 0 {
		c.ControlPlane, *k = "", Knative{}
		return
	}
	c.ControlPlane = "knative"
	k.ConfigMap, k.Service = "examples/knative/config-autoscaler.yaml", "examples/knative/service.yaml"
	k.ContainerConcurrency, k.Autoscaler.Period = "7", 30*time.Second
	k.Settings = KnativeSettings{
		Class: "kpa.autoscaling.knative.dev", ScaleToZero: "true", ZeroInitial: "false", TargetPercentage: "80", TargetDefault: "50", RPSTarget: "10.5",
		Burst: "-1", PanicWindow: "20", PanicThreshold: "150", UpRate: "10", DownRate: "1.5", ActivatorCapacity: "5", InitialScale: "2", MinScale: "1",
		MaxScale: "90", MaxScaleLimit: "200", StableWindow: "30s", ScaleDownDelay: "4s", GracePeriod: "10s", PodRetention: "1m",
	}
	standard := Cluster{LoadBalancing: Policy[policy.Balancing]{Name: "first-available", With: policy.Balancings()["first-available"]}, KeepAlive: Policy[policy.Keeping]{Name: "fixed", With: policy.FixedTime{For: 10 * time.Minute}}}
	c.Binding, c.SandboxChoice, c.QueueLimit = cluster.BindLate, policy.MostRecent, cluster.Unlimited
	c.LoadBalancing, c.KeepAlive = standard.LoadBalancing, standard.KeepAlive
	c.Hedging = Policy[policy.Hedging]{Name: "none", With: policy.Hedgings()["none"]}
	c.Scaling = Scaling{Kind: "concurrency", Max: cluster.Unlimited}
}

// drawKubernetes leaves placement, or sets Kubernetes up with every key.
func drawKubernetes(t *rapid.T, s *Scenario) {
	c := &s.Cluster
	limitResources(&c.Resources, c.Discipline)
	chosen := evenly(t, "kubernetes", 0, 1, 2, 3) == 0
	pod := Pod{
		Image: "app", NodeSelector: []string{"disk=ssd", "!gpu", "zone in (a, b)"}, Tolerations: []string{"a=b:NoSchedule", "*"},
		NodeAffinity: []NodePreference{{Weight: 7, Match: []string{"x"}}},
		PodAffinity:  []PodAffinity{{Functions: []string{s.Workload.Functions[0].Name}, Topology: "zone", Kind: "anti-affinity", Weight: 3}},
		Spread:       []PodSpread{{Topology: "zone", MaxSkew: 2, When: "schedule-anyway"}},
	}
	for i := range c.Nodes {
		g := &c.Nodes[i]
		g.Labels, g.Taints, g.Images = nil, nil, nil
		if chosen {
			g.MaxSandboxes = 0
			g.Labels, g.Taints, g.Images = []string{"zone=a", "x="}, []string{"k:PreferNoSchedule"}, []string{"app"}
		}
	}
	for i := range s.Workload.Functions {
		f := &s.Workload.Functions[i]
		if f.Resources != nil {
			limitResources(f.Resources, c.Discipline)
		}
		switch {
		case !chosen:
			f.Pod = nil
		case f.Pod != nil:
			*f.Pod = pod
		}
		if f.KeepAlive != nil && chosen && evicts(f.KeepAlive.With) {
			f.KeepAlive = nil
		}
	}
	if !chosen {
		c.Orchestrator, c.Kubernetes = "", Kubernetes{}
		return
	}
	c.Orchestrator = "kubernetes"
	c.Kubernetes.Scheduler.MaxBackoff += c.Kubernetes.Scheduler.InitialBackoff
	c.Kubernetes.Kubelet.MaxPullBackoff += c.Kubernetes.Kubelet.PullBackoff
	c.Kubernetes.Images = []Image{{Name: "app", Layers: []Layer{{Name: "base", Size: 40}, {Name: "code", Size: 3, Own: true}}}}
	c.Kubernetes.Pod = pod
	c.Placement = Policy[cluster.Placement]{Name: "spread", With: policy.Placements()["spread"]}
	if evicts(c.KeepAlive.With) {
		c.KeepAlive = Policy[policy.Keeping]{Name: "fixed", With: policy.FixedTime{For: 10 * time.Minute}}
	}
}

// limitResources makes the limits ones that can be kept, by any function.
func limitResources(r *Resources, d cluster.Discipline) {
	r.MemoryRequest, r.MemoryIdle = min(r.MemoryRequest, 1), min(r.MemoryIdle, 1)
	if r.CPULimit += r.CPURequest; d != cluster.CFS {
		r.CPULimit = 0
	}
}

// drawnWorkflows use every key of a workflow; a drawn graph would rarely be one.
func drawnWorkflows() []Workflow {
	law := Service{Law: Law{Law: "exponential", Mean: time.Second}, Busy: 1}
	arrivals := &Arrivals{Process: loadgen.Poisson, Rate: 2}
	return []Workflow{
		{Name: "a: b", Arrivals: arrivals, Latency: time.Millisecond, Bandwidth: 1e6, Steps: []Step{
			{Name: "1", Service: &law, Branch: workflow.One, Memory: 64, Next: []Edge{{To: "x y", Probability: 0.07, Payload: 65536}, {To: "z", Probability: 0.93}}},
			{Name: "x y", Service: &law, Branch: workflow.Each},
			{Name: "z", Function: "aes-go", Input: "default", Branch: workflow.Each},
		}},
		{Name: "g", Arrivals: arrivals, Generate: &Shape{Width: 3, Depth: 2, Fork: true, Service: law, Memory: 2048, Payload: 1}},
		{Name: "f", File: "testdata/dag.json", Invocations: "testdata/calls.csv"},
	}
}

func fixScaling(s *Scaling) *Scaling {
	if s != nil && s.Kind == "concurrency" && s.Max >= 0 {
		s.Max = max(s.Max, s.Min)
	}
	return s
}

func drawTrace(t *rapid.T) *Trace {
	tr := &Trace{}
	fill(t, "trace", reflect.ValueOf(tr).Elem())
	tr.Format, tr.Path = trace.Azure2021, "testdata/tiny.csv"
	return evenly(t, "trace or none", nil, tr)
}

var odd = rapid.SampledFrom([]string{"node", "Größe", "a b", "x: y", "- z", "#1", "{}", "12", "1e3", "yes", "null", "~", `"`, "'", "%", "@", "a\u2028b", "😀", "&a", "*", "!", "|", "a:", "_"})

// evenly draws one of the list, each as likely as the other: rapid's own choices
// prefer what stands first, so that the last of ten policies is drawn rarely.
func evenly[T any](t *rapid.T, label string, list ...T) T {
	index := 0
	for range 16 {
		index *= 2
		if rapid.Bool().Draw(t, label) {
			index++
		}
	}
	return list[index%len(list)]
}

// drawName draws texts that a careless writer of YAML would not quote.
func drawName(t *rapid.T, label string) string {
	return rapid.Custom(func(t *rapid.T) string {
		return odd.Draw(t, "a") + rapid.StringMatching(`[a-z:#.-]{0,6}`).Draw(t, "b") + odd.Draw(t, "c")
	}).Draw(t, label)
}

// fill draws every key of a struct.
func fill(t *rapid.T, path string, v reflect.Value) {
	if law, ok := v.Addr().Interface().(*Law); ok {
		*law = drawLaw(t, path)
		return
	}
	if size, ok := v.Addr().Interface().(*SizeLaw); ok {
		*size = SizeLaw{Law: "lognormal", Mean: MiB(rapid.IntRange(1, 1000).Draw(t, path+" mean")), CV: 2}
		return
	}
	if a, ok := v.Addr().Interface().(*Arrivals); ok {
		*a = drawArrivals(t, path)
		return
	}
	for _, f := range fieldsOf(v.Type()) {
		fillValue(t, path+"."+f.key, f, v.FieldByIndex(f.index))
	}
	if s, ok := v.Addr().Interface().(*Service); ok {
		s.Law = drawLaw(t, path)
	}
}

func fillValue(t *rapid.T, path string, f field, v reflect.Value) {
	switch {
	case v.Type() == reflect.TypeFor[Stage]():
		law := drawLaw(t, path)
		stages := []Stage{{}, {Measured: true}, {Law: &Law{Law: "deterministic", Mean: time.Second}}, {Law: &law}}
		v.Set(reflect.ValueOf(evenly(t, path, stages...)))
	case v.Type() == reflect.TypeFor[Levels](), v.Type() == reflect.TypeFor[[]string](), v.Type() == reflect.TypeFor[WarmUp]():
	case isPolicy(v.Type()):
		fillPolicy(t, path, v)
	case v.Kind() == reflect.Pointer:
		if rapid.Bool().Draw(t, path+" given") {
			v.Set(reflect.New(v.Type().Elem()))
			fillValue(t, path, f, v.Elem())
		}
	case v.Kind() == reflect.Slice:
		n := rapid.IntRange(1, 3).Draw(t, path+" items")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case v.Kind() == reflect.Struct:
		fill(t, path, v)
	default:
		fillScalar(t, path, f, v)
	}
}

// fillPolicy draws a policy of the family and its parameters.
func fillPolicy(t *rapid.T, path string, v reflect.Value) {
	all := v.Interface().(chosen).prototypes()
	name := evenly(t, path, slices.Sorted(maps.Keys(all))...)
	with := reflect.New(all[name].Type()).Elem()
	with.Set(all[name])
	for _, f := range parametersOf(with) {
		fillValue(t, path+"."+f.key, f, with.FieldByIndex(f.index))
	}
	if p, ok := with.Interface().(interface{ Validate() error }); ok && p.Validate() != nil {
		with.Set(all[name])
	}
	v.FieldByName("Name").SetString(name)
	v.FieldByName("With").Set(with)
}

func fillScalar(t *rapid.T, path string, f field, v reflect.Value) {
	if f.bounds == "0..1" {
		v.SetFloat(rapid.Float64Range(0, 1).Draw(t, path))
		return
	}
	if f.also != "" && rapid.IntRange(0, 3).Draw(t, path+" also") == 0 {
		setNumber(v, alsoValue(f.also))
		return
	}
	switch {
	case v.Kind() == reflect.Uint8:
		v.SetUint(uint64(rapid.IntRange(1, len(f.words)).Draw(t, path)))
	case len(f.words) > 0:
		v.SetString(evenly(t, path, f.words...))
	case f.key == "name" || f.key == "description":
		v.SetString(drawName(t, path))
	case v.Kind() == reflect.String:
		v.SetString(rapid.SampledFrom([]string{"recorded", "a-b_c.d", "12", "true", "x@9f"}).Draw(t, path))
	case v.Kind() == reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, path))
	case v.Kind() == reflect.Uint64:
		v.SetUint(rapid.Uint64().Draw(t, path))
	case v.CanFloat() && strings.HasPrefix(f.bounds, "1.."):
		v.SetFloat(rapid.Float64Range(1, 10).Draw(t, path))
	case v.CanFloat():
		v.SetFloat(rapid.Float64Range(0.5, 0.999).Draw(t, path))
	case v.Type() == reflect.TypeFor[time.Duration]():
		low, high, _ := strings.Cut(f.bounds, "..")
		least, _ := time.ParseDuration(low)
		most, err := time.ParseDuration(high)
		if err != nil {
			most = 1e18
		}
		v.SetInt(rapid.Int64Range(max(1000, int64(least)), int64(most)).Draw(t, path))
	default:
		_, high, _ := strings.Cut(f.bounds, "..")
		most, err := strconv.ParseInt(high, 10, 64)
		if err != nil {
			most = 1000
		}
		v.SetInt(rapid.Int64Range(1, min(1000, most)).Draw(t, path))
	}
}

func drawLaw(t *rapid.T, path string) Law {
	l := Law{
		Law:  evenly(t, path+" law", servicetime.Laws()...),
		Mean: time.Duration(rapid.Int64Range(1, 1e15).Draw(t, path+" mean")),
	}
	switch l.Law {
	case "lognormal", "hyperexponential":
		l.CV = rapid.Float64Range(1.001, 100).Draw(t, path+" cv")
	case "erlang":
		l.Phases = rapid.IntRange(1, 1000).Draw(t, path+" phases")
	}
	return l
}

func drawArrivals(t *rapid.T, path string) Arrivals {
	rate := func(label string) Rate { return Rate(rapid.Float64Range(1e-9, 1e6).Draw(t, path+label)) }
	span := func(label string) time.Duration {
		return time.Duration(rapid.Int64Range(1, 1e15).Draw(t, path+label))
	}
	a := Arrivals{
		Process: evenly(t, path+" process", loadgen.Constant, loadgen.Uniform, loadgen.Poisson, loadgen.MMPP, loadgen.Pareto, loadgen.Burst, loadgen.Sine),
		Offset:  time.Duration(rapid.Int64Range(0, 1e12).Draw(t, path+" offset")),
	}
	if a.Process != loadgen.MMPP {
		a.Rate = rate(" rate")
	}
	switch a.Process {
	case loadgen.Pareto:
		a.Shape = rapid.Float64Range(1.0001, 10).Draw(t, path+" shape")
	case loadgen.Burst:
		a.Size = rapid.IntRange(1, 100).Draw(t, path+" size")
	case loadgen.Sine:
		a.Amplitude, a.Period = Share(rapid.Float64Range(0, 1).Draw(t, path+" amplitude")), span(" period")
	case loadgen.MMPP:
		for i := range rapid.IntRange(2, 3).Draw(t, path+" states") {
			a.States = append(a.States, State{Rate: rate(fmt.Sprint(" rate", i)), Sojourn: span(fmt.Sprint(" sojourn", i))})
		}
	}
	return a
}
