package cluster_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/cluster/clustertest"
	"microcosm/cosim/policy"
	"microcosm/cosim/servicetime"
)

// drop is one call in a fluid.
type drop struct {
	of            *vessel
	arrived, left float64 // ns
}

// vessel is a sandbox: its shares, and its quota per period of 100 ms.
type vessel struct {
	shares, quota, used float64
	drops               []*drop
	held                bool
	sum                 float64 // of response times
}

// fluid is a node under CFS in the simplest way: in every step all rates are computed
// anew, and time moves to whatever comes next.
type fluid struct {
	now        float64
	cores      [][]*drop // by core, in the order in which they came there
	vessels    []*vessel
	held       []*vessel // in that order
	throttled  int64
	migrations int64
}

const fluidPeriod = 1e8

// running returns who is on a core and not held back.
func (f *fluid) running(core int) (list []*drop) {
	for _, d := range f.cores[core] {
		if !d.of.held {
			list = append(list, d)
		}
	}
	return list
}

func (f *fluid) rate(core int, d *drop) float64 {
	weight := func(d *drop) float64 { return d.of.shares / float64(len(d.of.drops)) }
	sum := 0.0
	for _, other := range f.running(core) {
		sum += weight(other)
	}
	return weight(d) / sum
}

// place returns the first idle core, else the one with the fewest.
func (f *fluid) place() int {
	least := 0
	for core := range f.cores {
		if len(f.running(core)) == 0 {
			return core
		}
		if len(f.cores[core]) < len(f.cores[least]) {
			least = core
		}
	}
	return least
}

// level moves the last that came to the core with the most to an idle one.
func (f *fluid) level(idle int) {
	busiest := -1
	for core := range f.cores {
		if n := len(f.running(core)); n > 1 && (busiest < 0 || n > len(f.running(busiest))) {
			busiest = core
		}
	}
	if busiest < 0 || len(f.running(idle)) > 0 {
		return
	}
	running := f.running(busiest)
	last := running[len(running)-1]
	f.cores[busiest] = slices.DeleteFunc(f.cores[busiest], func(d *drop) bool { return d == last })
	f.cores[idle] = append(f.cores[idle], last)
	f.migrations++
}

// join puts a call on a core, behind the others; where that has several and one is
// idle, it moves on.
func (f *fluid) join(core int, d *drop) {
	f.cores[core] = append(f.cores[core], d)
	for idle := range f.cores {
		if len(f.running(core)) > 1 && !d.of.held && len(f.running(idle)) == 0 {
			f.level(idle)
			return
		}
	}
}

// step advances to the next end, exhausted quota or beginning of a period before the
// time, or to it.
func (f *fluid) step(until float64) {
	next := min(until, (math.Floor(f.now/fluidPeriod)+1)*fluidPeriod)
	rates := map[*drop]float64{}
	var first *drop
	for core := range f.cores {
		for _, d := range f.running(core) {
			rates[d] = f.rate(core, d)
			if at := f.now + d.left/rates[d]; at <= next {
				next, first = at, d
			}
		}
	}
	var dry *vessel
	for _, v := range f.vessels {
		rate := 0.0
		for _, d := range v.drops {
			rate += rates[d]
		}
		if at := f.now + (v.quota-v.used)/rate; v.quota > 0 && rate > 0 && at < next-.5 {
			next, first, dry = at, nil, v
		}
	}
	for d, rate := range rates {
		d.left -= rate * (next - f.now)
		d.of.used += rate * (next - f.now)
	}
	f.now = next
	switch {
	case first != nil:
		f.leave(first)
	case dry != nil:
		dry.held = true
		f.held = append(f.held, dry)
		f.throttled++
		for core := range f.cores {
			if slices.ContainsFunc(f.cores[core], func(d *drop) bool { return d.of == dry }) && len(f.running(core)) == 0 {
				f.level(core)
			}
		}
	case math.Mod(next, fluidPeriod) == 0:
		f.refill()
	}
}

func (f *fluid) leave(d *drop) {
	d.of.sum += f.now - d.arrived
	d.of.drops = slices.DeleteFunc(d.of.drops, func(o *drop) bool { return o == d })
	for core := range f.cores {
		if i := slices.Index(f.cores[core], d); i >= 0 {
			f.cores[core] = slices.Delete(f.cores[core], i, i+1)
			if len(f.running(core)) == 0 {
				f.level(core)
			}
		}
	}
}

// refill begins a period: those that were held go on, each behind those that run.
func (f *fluid) refill() {
	for _, v := range f.vessels {
		v.used = 0
	}
	for _, v := range f.held {
		on := map[*drop]int{}
		for core := range f.cores {
			f.cores[core] = slices.DeleteFunc(f.cores[core], func(d *drop) bool {
				if d.of == v {
					on[d] = core
				}
				return d.of == v
			})
		}
		v.held = false
		for _, d := range v.drops {
			f.join(on[d], d)
		}
	}
	f.held = nil
}

func (f *fluid) arrive(v *vessel, work float64) {
	d := &drop{of: v, arrived: f.now, left: work}
	core := f.place()
	v.drops = append(v.drops, d)
	f.join(core, d)
}

// Random schedules of calls on one to three cores, with weights and quotas: the model,
// which moves from event to event in whole nanoseconds, against the fluid. Times are
// drawn to the nanosecond, so that nothing happens at once.
func TestCFSIsAFluid(t *testing.T) {
	t.Parallel()
	throttled, migrated := int64(0), int64(0)
	for seed := range uint64(400) {
		random := rand.New(rand.NewPCG(seed, 7))
		cores := 1 + random.IntN(3)
		f := &fluid{cores: make([][]*drop, cores)}
		type call struct {
			at, work time.Duration
			function int
		}
		var calls []call
		var functions []cluster.FunctionConfig
		for i := range 1 + random.IntN(4) {
			request, limit := 1+random.IntN(2000), []int{0, 150, 500, 1300}[random.IntN(4)]
			f.vessels = append(f.vessels, &vessel{shares: float64(max(2, request*1024/1000)), quota: float64(limit) * fluidPeriod / 1000})
			var at, work []time.Duration
			now := time.Duration(0)
			for range 1 + random.IntN(8) {
				now += time.Duration(1 + random.Int64N(int64(80*ms)))
				at, work = append(at, now), append(work, time.Duration(1+random.Int64N(int64(90*ms))))
				calls = append(calls, call{now, work[len(work)-1], i})
			}
			functions = append(functions, cluster.FunctionConfig{
				Name: string(rune('a' + i)), Arrivals: clustertest.At(at...), Laws: map[string]servicetime.Law{"p": &works{left: work}},
				Concurrency: 100, QueueLimit: cluster.Unlimited, Scaler: policy.Fixed{Sandboxes: 1}, CPURequest: request, CPULimit: limit,
			})
		}
		slices.SortFunc(calls, func(a, b call) int { return int(a.at - b.at) })
		for _, c := range calls {
			for f.now < float64(c.at) {
				f.step(float64(c.at))
			}
			f.arrive(f.vessels[c.function], float64(c.work))
		}
		for slices.ContainsFunc(f.vessels, func(v *vessel) bool { return len(v.drops) > 0 }) {
			f.step(math.Inf(1))
		}
		o := run(t, fairly(t, cores, functions...))
		for i, v := range f.vessels {
			require.InDelta(t, v.sum, 1e9*o.Functions[i].Times.Response.Sum(), 1000, "seed %d, function %d", seed, i)
		}
		require.Equal(t, []int64{f.throttled, f.migrations}, []int64{o.Throttled, o.Migrated}, "seed %d", seed)
		throttled, migrated = throttled+o.Throttled, migrated+o.Migrated
	}
	require.Greater(t, min(throttled, migrated), int64(100), "both are common")
}
