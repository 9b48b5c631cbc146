package standin

import (
	"errors"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	guest "microcosm/images/guest/job"
)

// period is that of a clock of 3 GHz in ticks.
const period = 333

// pace is how long a call takes in real time.
const pace = time.Millisecond

// errOver ends a job that has measured enough.
var errOver = errors.New("over")

// work does the guest's job.
func (m *machine) work() error {
	records, err := os.Create(filepath.Join(m.out, "records-"+m.job.ID))
	if err != nil {
		return err
	}
	g := &agent{machine: m, records: records, counting: m.Settle.Most == 0, draw: rand.New(rand.NewPCG(m.job.Seed, m.hash()))}
	err = g.all()
	if err = errors.Join(err, records.Close()); err != nil {
		if errors.Is(err, errOver) {
			return nil
		}
		return err
	}
	if m.job.Then == guest.Checkpoint {
		return m.checkpoint()
	}
	if g.failed {
		return m.end("fail")
	}
	return m.end("exit")
}

// hash is of the checkpoint that is restored: another boot has other luck.
func (s *spec) hash() uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.Line)) // a hash never fails
	return h.Sum64()
}

// agent is the guest's.
type agent struct {
	*machine
	records  *os.File
	seq      int
	calls    int // since the restore
	counting bool
	counted  int
	failed   bool
	draw     *rand.Rand
}

func (g *agent) record(r guest.Record) error {
	r.Job, r.Seq = g.job.ID, g.seq
	g.seq++
	g.failed = g.failed || r.Status == guest.Failed
	line, err := guest.Line(r)
	if err != nil {
		return err
	}
	_, err = g.records.Write(line)
	return err
}

func (g *agent) all() error {
	if err := g.record(guest.Record{Kind: guest.Start, Status: guest.OK, Machine: "gem5"}); err != nil {
		return err
	}
	if g.counting && g.Mode == "measure" {
		if err := g.tell("settled", map[string]any{"works": 0, "cause": "asked"}); err != nil {
			return err
		}
	}
	for i := range g.job.Steps {
		if err := g.step(i); err != nil {
			return err
		}
	}
	end := guest.Record{Kind: guest.End, Status: guest.OK, Records: g.seq + 1}
	if g.failed {
		end.Status, end.Reason = guest.Failed, "see above"
	}
	return g.record(end)
}

func (g *agent) step(i int) error {
	s := &g.job.Steps[i]
	wrong := os.Getenv(GuestVariable)
	for n := range s.Warmup + s.Count {
		r := guest.Record{Kind: guest.Call, Status: guest.OK, Step: i, Function: s.Function, Input: s.Input, Mode: s.Mode, N: s.First + n, Nanos: 80_000}
		if s.Mode == guest.Cold {
			for _, kind := range []guest.Kind{guest.Create, guest.Init} {
				stage := guest.Record{
					Kind: kind, Status: guest.OK, Step: i, Function: s.Function, Input: s.Input, Mode: s.Mode, Condition: "stage:" + kind.String(),
					Nanos: 5_000_000 + g.draw.Int64N(1_000_000), Cores: []guest.Core{{Core: 1, Micros: 3000}},
				}
				if wrong == "not ready" && kind == guest.Init {
					stage.Status, stage.Reason = guest.Failed, "it did not listen"
					return g.record(stage)
				}
				if err := g.record(stage); err != nil {
					return err
				}
			}
		}
		r.Phase = guest.Measured
		if n < s.Warmup {
			r.Phase = guest.Warming
		} else if s.Mode == guest.Lukewarm {
			for range s.K {
				other := guest.Record{
					Kind: guest.Call, Status: guest.OK, Step: i, Function: s.Mix.Functions[0].Function, Input: s.Mix.Functions[0].Input, Mode: s.Mode, Phase: guest.Interleaved,
				}
				if err := g.record(other); err != nil {
					return err
				}
			}
		}
		if r.Phase == guest.Measured {
			r.Condition, r.Marked = s.Condition().String(), true
		}
		if err := g.call(s, r, wrong); err != nil || g.failed {
			return err // a failure ends the step
		}
	}
	return nil
}

// call makes up a call and tells of it.
func (g *agent) call(s *guest.Step, r guest.Record, wrong string) error {
	time.Sleep(pace)
	g.calls++
	g.tick += 20_000_000
	if !r.Marked || g.Mode != "measure" {
		g.tick += 100_000_000
		return g.record(r)
	}
	if err := g.tell("begin", map[string]any{"id": int(r.Phase)}); err != nil {
		return err
	}
	takes := g.ticks(s)
	event := "work"
	if g.ItemLimit > 0 && takes > g.ItemLimit {
		takes, event = g.ItemLimit, "overdue"
	}
	begin := g.tick
	if wrong == "ends in a call" && g.counting && g.counted == 1 && due() {
		g.tick += takes / 2
		return errors.Join(g.tell("beat", map[string]any{"instructions": g.told, "works": g.works}), errors.New("out of cheese"))
	}
	g.tick += takes
	client, function := int64(90_000), int64(135_000)
	if wrong == "odd share" && g.counting && g.counted%3 == 1 {
		client, function = function, client
	}
	g.told[0] += client
	g.told[1] += function
	core := func(cycles, instructions int64) map[string]int64 {
		return map[string]int64{"cycles": cycles, "instructions": instructions, "l1i_misses": 100, "l1d_misses": 200, "l2_misses": 50, "branch_mispredicts": 300}
	}
	// The client's work is the same in every condition.
	cycles := takes / period
	err := g.tell(event, map[string]any{
		"id": int(r.Phase), "n": g.works, "begin": begin, "end": g.tick, "shared": map[string]int64{"llc_misses": 7},
		"cores": []map[string]int64{core(min(cycles/4, 60_000), client), core(cycles*2/3, function)},
	})
	if err != nil {
		return err
	}
	if event == "overdue" {
		return errors.Join(errOver, g.end("overdue"))
	}
	g.works++
	return g.after(r, wrong)
}

// after writes the record of a marked call and counts it.
func (g *agent) after(r guest.Record, wrong string) error {
	if g.counting {
		g.counted++
	} else if g.works >= g.Settle.Least {
		g.counting = true
		if err := g.tell("settled", map[string]any{"works": g.works, "cause": "test"}); err != nil {
			return err
		}
	}
	switch {
	case wrong == "wrong reply" && g.counted > 0:
		r.Status, r.Reason = guest.Failed, "want 55, got 54"
	case wrong == "dies" && g.counted > 0:
		r.Status, r.Reason = guest.Failed, "it died during the call: killed"
	}
	if err := g.record(r); err != nil {
		return err
	}
	if g.Count > 0 && g.counted >= g.Count && r.Status == guest.OK {
		return errors.Join(errOver, g.end("enough"))
	}
	return nil
}

// ticks makes up how long a call takes: longer right after the restore, and the
// longer the more was executed in between.
func (g *agent) ticks(s *guest.Step) int64 {
	const warm = 250_000_000 // 250 µs
	factor := 1 + 4*math.Pow(.1, float64(g.calls-1))
	switch s.Mode {
	case guest.Lukewarm:
		factor += 2 * float64(s.K) / float64(s.K+4)
	case guest.Null:
		factor /= 4
	case guest.Cold:
		factor = 8
	}
	if s.Function == "null" {
		factor = .25
	}
	return int64(warm * factor * (1 + .02*g.draw.Float64()))
}
