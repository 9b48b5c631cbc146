package report_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"microcosm/cosim/cluster"
	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
)

const (
	level        = 0.95
	replications = 10
)

// fixture builds results by hand. What differs between two of its runs is real:
// each has its own replications under common random numbers.
type fixture struct {
	random *rand.Rand
	luck   []float64 // of each replication, common to all runs
}

func newFixture() *fixture {
	f := &fixture{random: rand.New(rand.NewPCG(1, 2))}
	for range replications {
		f.luck = append(f.luck, f.random.NormFloat64())
	}
	return f
}

// replicate returns one value per replication: mean and the spread that luck and
// the run's own noise give it.
func (f *fixture) replicate(mean float64) []float64 {
	values := make([]float64, replications)
	for i, luck := range f.luck {
		values[i] = mean * (1 + 0.03*luck + 0.004*f.random.NormFloat64())
	}
	return values
}

// estimate is metrics.MeanOf with the quantile of Student's t looked up once: the
// fixtures need it a hundred thousand times.
func (f *fixture) estimate(mean float64) metrics.Estimate {
	const t = 2.2621571628 // 97.5 % at 9 degrees of freedom
	m, deviation := stat.MeanStdDev(f.replicate(mean), nil)
	half := t * deviation / math.Sqrt(replications)
	return metrics.Estimate{Est: m, Lo: m - half, Hi: m + half, N: replications, Method: metrics.MethodReplications, Status: metrics.StatusOK}
}

func (f *fixture) metric(name, unit string, mean float64) experiment.Metric {
	return experiment.Metric{Name: name, Unit: unit, Estimate: f.estimate(mean)}
}

// law is a log-normal law by median and shape, of which parts are 0.
type law struct{ zero, median, sigma float64 }

func (l law) quantile(p float64) float64 {
	if p <= l.zero {
		return 0
	}
	return distuv.LogNormal{Mu: math.Log(l.median), Sigma: l.sigma}.Quantile((p - l.zero) / (1 - l.zero))
}

func (l law) curve(name string) experiment.Curve {
	c := experiment.Curve{Name: name}
	if l.zero > 0 {
		c.Points = append(c.Points, experiment.Point{X: 0, P: l.zero})
	}
	for i := 1; i < 400; i++ {
		if p := l.zero + (1-l.zero)*float64(i)/400; l.quantile(p) > 0 {
			c.Points = append(c.Points, experiment.Point{X: l.quantile(p), P: p})
		}
	}
	for _, p := range []float64{0.999, 0.9999, 0.99999} {
		c.Points = append(c.Points, experiment.Point{X: l.quantile(p), P: p})
	}
	c.Points = append(c.Points, experiment.Point{X: l.quantile(0.999999), P: 1})
	return c
}

func (f *fixture) times(response, waiting, service law) []experiment.Metric {
	var all []experiment.Metric
	for _, t := range []struct {
		name string
		law  law
	}{{"response", response}, {"waiting", waiting}, {"service", service}} {
		mean := t.law.median * math.Exp(t.law.sigma*t.law.sigma/2) * (1 - t.law.zero)
		all = append(all, f.metric(t.name+"_mean", "s", mean))
		for _, q := range []struct {
			suffix string
			p      float64
		}{{"p50", 0.5}, {"p95", 0.95}, {"p99", 0.99}} {
			all = append(all, f.metric(t.name+"_"+q.suffix, "s", t.law.quantile(q.p)))
		}
	}
	return all
}

// run is one run with every part filled.
func (f *fixture) run(name string, levels []string, penalty, wait float64) experiment.Run {
	service := law{0, 0.0021 + penalty, 0.5}
	waiting := law{0.6, wait, 1.1}
	response := law{0, 0.0023 + penalty + 0.4*wait, 0.8}
	run := experiment.Run{
		Name: name, Levels: levels,
		Account: cluster.Account{Arrived: 1_200_000, Done: 1_199_981, Rejected: 4, Queued: 6, Running: 9, Attempts: 1_200_000},
		Metrics: f.times(response, waiting, service),
		Curves:  []experiment.Curve{response.curve("response"), waiting.curve("waiting"), service.curve("service")},
	}
	run.Metrics = append(run.Metrics, experiment.Metric{Name: "response_p99.9", Unit: "s", Estimate: metrics.NotEstimable(
		response.quantile(0.999), 1200, metrics.MethodSectioning, "p99.9 needs 3688 effectively independent values, has 1101 (1200 values, autocorrelation time 1.09)")},
		f.metric("slowdown", "", 1.2+wait*40), f.metric("utilization", "", 0.62), f.metric("cold_share", "", 0.0031),
		f.metric("in_system", "", 21.7), f.metric("sandboxes", "", 84), f.metric("rejected_share", "", 0), f.metric("throughput", "1/s", 2000))
	for i, c := range []struct {
		name  string
		share float64
	}{{"cold", 0.0031}, {"warm", 0.41 - 20*wait}, {"lukewarm 1", 0.2}, {"lukewarm 2-3", 0.15}, {"lukewarm 4-7", 0.1 + 12*wait}, {"lukewarm 8-15", 0.05 + 8*wait}, {"flush", 0.0869}} {
		run.Conditions = append(run.Conditions, experiment.Marginal{
			Name: c.name, Invocations: int64(1_200_000 * c.share), Share: f.estimate(c.share),
			Metrics: []experiment.Metric{f.metric("response_mean", "s", 0.003+float64(i)*penalty/3), f.metric("service_mean", "s", 0.002+float64(i)*penalty/3)},
		})
	}
	names := []string{"fibonacci-go", "aes-go", "auth-go", "fibonacci-python", "aes-python", "auth-python"}
	run.Functions = f.functions(names, 1_200_000)
	for i := range 4 {
		run.Nodes = append(run.Nodes, experiment.Marginal{Name: fmt.Sprintf("node-%d", i), Invocations: 300_000, Share: f.estimate(0.25),
			Metrics: []experiment.Metric{f.metric("response_mean", "s", 0.003)}})
	}
	run.Timeline = f.timeline(120, 21.7+wait*900)
	return run
}

func (f *fixture) functions(names []string, total int64) []experiment.Marginal {
	var marginals []experiment.Marginal
	weight := 0.0
	for i := range names {
		weight += 1 / float64(i+1)
	}
	for i, name := range names {
		share := 1 / float64(i+1) / weight
		marginals = append(marginals, experiment.Marginal{
			Name: name, Invocations: int64(share * float64(total)), Share: f.estimate(share),
			Metrics: []experiment.Metric{
				f.metric("response_mean", "s", 0.0004*float64(i%7+1)), f.metric("response_p50", "s", 0.0003*float64(i%7+1)),
				f.metric("response_p95", "s", 0.0009*float64(i%7+1)), f.metric("response_p99", "s", 0.0017*float64(i%7+1)),
				f.metric("waiting_mean", "s", 0.0001), f.metric("service_mean", "s", 0.0003*float64(i%7+1)),
			},
		})
	}
	return marginals
}

func (f *fixture) timeline(buckets int, mean float64) experiment.Timeline {
	t := experiment.Timeline{Width: 5, Cores: 32}
	for i := range buckets {
		ramp := 1 - math.Exp(-float64(i)/6)
		noise := 1 + 0.08*f.random.NormFloat64()
		t.InSystem = append(t.InSystem, mean*ramp*noise)
		t.BusyCores = append(t.BusyCores, 19.8*ramp*noise)
		t.Sandboxes = append(t.Sandboxes, 84*(1-math.Exp(-float64(i)/15)))
	}
	return t
}

func result(name string) *experiment.Result {
	return &experiment.Result{
		Schema: experiment.Schema, Name: name,
		Scenario: "sha256:" + strings.Repeat("3f2a9c41", 8), Seed: 42,
		Samples: []string{"recorded@3f2a9c41d7"}, Replications: replications, Confidence: level,
	}
}

// quickstart is the 2x2 design of the main job: policy x penalty, with effects.
func quickstart() *experiment.Result {
	f := newFixture()
	r := result("quickstart: what do lukewarm starts cost this cluster?")
	r.Factors = []experiment.Factor{
		{Name: "load balancing", Set: "cluster.load-balancing", Levels: []string{"sticky", "random"}},
		{Name: "penalty", Set: "fidelity.penalty", Levels: []string{"on", "off"}},
	}
	waits := []float64{0.0011, 0.0008, 0.0034, 0.0029}
	penalties := []float64{0.0004, 0, 0.0012, 0}
	var p99, mean, service, cold [][]float64
	without := f.replicate(0.0021)
	for i, levels := range [][]string{{"sticky", "on"}, {"sticky", "off"}, {"random", "on"}, {"random", "off"}} {
		r.Runs = append(r.Runs, f.run(strings.Join(levels, ", "), levels, penalties[i], waits[i]))
		p99 = append(p99, f.replicate(0.014+6*penalties[i]+2*waits[i]))
		mean = append(mean, f.replicate(0.0023+penalties[i]+waits[i]))
		cold = append(cold, f.replicate(0.0031))
		if penalties[i] == 0 { // the same luck gives every invocation the same service time
			service = append(service, without)
		} else {
			service = append(service, f.replicate(0.0021+penalties[i]))
		}
	}
	effect := func(name, formula string, weights []float64) {
		for _, m := range []struct {
			name, unit string
			runs       [][]float64
		}{{"response_mean", "s", mean}, {"response_p99", "s", p99}, {"service_mean", "s", service}, {"cold_share", "", cold}} {
			r.Effects = append(r.Effects, experiment.Effect{Name: name, Formula: formula, Metric: m.name, Unit: m.unit, Estimate: metrics.Contrast(weights, m.runs, level)})
		}
	}
	effect("load balancing: random − sticky at penalty on", "[random, on] − [sticky, on]", []float64{-1, 0, 1, 0})
	effect("load balancing: random − sticky at penalty off", "[random, off] − [sticky, off]", []float64{0, -1, 0, 1})
	effect("penalty: on − off at load balancing sticky", "[sticky, on] − [sticky, off]", []float64{1, -1, 0, 0})
	effect("penalty: on − off at load balancing random", "[random, on] − [random, off]", []float64{0, 0, 1, -1})
	effect("load balancing: random − sticky, due to penalty: on − off",
		"([random, on] − [random, off]) − ([sticky, on] − [sticky, off])", []float64{-1, 1, 1, -1})
	r.Notes = []string{
		"The stack is recorded@3f2a9c41d7: service times were measured by the host back end on another machine, by its clock.",
		"12.4 % of the service times are interpolated between measured conditions.",
	}
	return r
}

// factorial has more runs than stand side by side.
func factorial() *experiment.Result {
	f := newFixture()
	r := result("penalty x platform x routing")
	r.Factors = []experiment.Factor{
		{Name: "penalty", Set: "fidelity.penalty", Levels: []string{"0", "1"}},
		{Name: "platform", Set: "fidelity.platform", Levels: []string{"skylake-x86", "neoverse-n1"}},
		{Name: "routing", Set: "cluster.load-balancing", Levels: []string{"sticky", "lukewarm-aware"}},
	}
	for i, penalty := range r.Factors[0].Levels {
		for j, platform := range r.Factors[1].Levels {
			for k, routing := range r.Factors[2].Levels {
				name := fmt.Sprintf("penalty %s, platform %s, routing %s", penalty, platform, routing)
				run := f.run(name, []string{penalty, platform, routing}, 0.0004*float64(i*(2-k)), 0.001*float64(1+j))
				r.Runs = append(r.Runs, run)
			}
		}
	}
	return r
}

// single is one run without factors.
func single() *experiment.Result {
	r := result("one M/G/1 queue")
	r.Samples = []string{"given"}
	r.Runs = []experiment.Run{newFixture().run("run", nil, 0.0004, 0.0011)}
	return r
}

// overloaded has a run that is unstable beside one that is not.
func overloaded() *experiment.Result {
	f := newFixture()
	r := result("load of 1.2")
	r.Factors = []experiment.Factor{{Name: "load", Set: "workload.rate", Levels: []string{"0.6", "1.2"}}}
	const reason = "offered load 1.2 is not below 1"
	low, high := f.run("0.6", []string{"0.6"}, 0, 0.001), f.run("1.2", []string{"1.2"}, 0, 0.001)
	high.Unstable = reason
	unstable := func(all []experiment.Metric) {
		for i := range all {
			if strings.HasPrefix(all[i].Name, "response") || strings.HasPrefix(all[i].Name, "waiting") || all[i].Name == "in_system" {
				all[i].Estimate = metrics.Unstable(replications, metrics.MethodReplications, reason)
			}
		}
	}
	unstable(high.Metrics)
	for i := range high.Functions {
		unstable(high.Functions[i].Metrics)
	}
	for i := range high.Timeline.InSystem {
		high.Timeline.InSystem[i] = 9 * float64(i)
	}
	r.Runs = []experiment.Run{low, high}
	r.Effects = []experiment.Effect{{Name: "Doubling the load", Formula: "[1.2] − [0.6]", Metric: "response_mean", Unit: "s",
		Estimate: metrics.Unstable(replications, metrics.MethodPaired, "[1.2]: "+reason)}}
	return r
}

// once has a single replication, so nothing has an interval.
func once() *experiment.Result {
	r := single()
	r.Replications = 1
	strip := func(all []experiment.Metric) {
		for i := range all {
			all[i].Estimate = metrics.MeanOf([]float64{all[i].Estimate.Est}, level)
		}
	}
	strip(r.Runs[0].Metrics)
	for i := range r.Runs[0].Functions {
		strip(r.Runs[0].Functions[i].Metrics)
		r.Runs[0].Functions[i].Share = metrics.MeanOf([]float64{r.Runs[0].Functions[i].Share.Est}, level)
	}
	return r
}

// large has eight runs of 1000 functions, with curves of 5000 points and
// timelines of 2000. It is built once: do not change it.
var large = sync.OnceValue(func() *experiment.Result {
	f := newFixture()
	r := result("eight runs of a thousand functions")
	r.Factors = []experiment.Factor{{Name: "nodes", Set: "cluster.nodes", Levels: nil}}
	names := make([]string, 1000)
	for i := range names {
		names[i] = fmt.Sprintf("function-%04d", i)
	}
	for i := range 8 {
		level := fmt.Sprint(10 * (i + 1))
		run := f.run("nodes "+level, []string{level}, 0.0001*float64(i), 0.002/float64(i+1))
		run.Functions = f.functions(names, 50_000_000)
		run.Timeline = f.timeline(2000, 20+float64(i))
		for j := range run.Curves {
			run.Curves[j] = law{0, 0.001 * float64(j+i+1), 0.9}.fine(run.Curves[j].Name)
		}
		r.Runs = append(r.Runs, run)
		r.Factors[0].Levels = append(r.Factors[0].Levels, level)
	}
	return r
})

func (l law) fine(name string) experiment.Curve {
	c := experiment.Curve{Name: name}
	for i := 1; i <= 5000; i++ {
		p := float64(i) / 5000
		c.Points = append(c.Points, experiment.Point{X: l.quantile(math.Min(p, 1-1e-6)), P: p})
	}
	return c
}

// hostile has names that try to leave their place.
func hostile() *experiment.Result {
	f := newFixture()
	r := result("</title><script>alert('name')</script>\x1b[31m\u202egnp\u0000")
	r.Scenario = `"><img src=x onerror=alert(1)>`
	r.Samples = []string{"<svg onload=alert(2)>"}
	r.Factors = []experiment.Factor{{Name: `a"b,c<d>`, Set: "x'y", Levels: []string{"{{.}}", "日本語 🦠"}}}
	r.Runs = []experiment.Run{
		f.run("{{.}} </svg><script>alert(3)</script> fill:#010101", []string{"{{.}}"}, 0, 0.001),
		f.run("日本語 🦠\nsecond line", []string{"日本語 🦠"}, 0, 0.002),
	}
	for i := range r.Runs {
		r.Runs[i].Functions[0].Name = "=cmd|' /C calc'!A0,\"x\"\r\n<b>"
		r.Runs[i].Functions[1].Name = "\xff\xfe broken"
		r.Runs[i].Conditions[0].Name = `"]]><!--`
		r.Runs[i].Metrics[0].Name = "javascript:alert(4)"
		r.Runs[i].Metrics[1].Unit = "<u>"
	}
	r.Effects = []experiment.Effect{{Name: "</text><script>alert(5)</script>", Formula: "a & b < c", Metric: "<m>", Unit: "<u>", Estimate: f.estimate(3)}}
	r.Notes = []string{"<script>alert(6)</script> &amp; \x07"}
	return r
}

// empty is a result in which nothing happened.
func empty() *experiment.Result { return &experiment.Result{Schema: experiment.Schema} }

// bare has runs without any content.
func bare() *experiment.Result {
	r := result("bare")
	r.Runs = []experiment.Run{{Name: "a"}, {Name: "b", Curves: []experiment.Curve{{Name: "response"}}, Timeline: experiment.Timeline{Width: 1, InSystem: []float64{}}}}
	return r
}

// fixtures are all results by name.
var fixtures = map[string]func() *experiment.Result{
	"factorial":  factorial,
	"quickstart": quickstart, "single": single, "overloaded": overloaded, "once": once,
	"large": large, "hostile": hostile, "empty": empty, "bare": bare, "flows": flows,
}
