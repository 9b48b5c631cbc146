package reality

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"microcosm/cosim/cluster"
	"microcosm/cosim/experiment"
	"microcosm/cosim/metrics"
	"microcosm/cosim/servicetime"
	"microcosm/loadgen/openloop"
)

// Schema names the layout of Report's JSON.
const Schema = "microcosm.reality/1"

// Report is what was predicted beside what was measured.
type Report struct {
	Schema     string        `json:"schema"`
	Platform   string        `json:"platform"`
	Functions  []string      `json:"functions"`
	Input      string        `json:"input"`
	Rounds     int           `json:"rounds"`
	Duration   time.Duration `json:"duration_ns"` // of one load
	Seed       uint64        `json:"seed"`
	Confidence float64       `json:"confidence"`
	Samples    int           `json:"samples"` // valid
	Levels     []Level       `json:"levels"`
	Notes      []string      `json:"notes"`
}

// Level is one utilization, over all rounds.
type Level struct {
	Aimed    float64  `json:"aimed"` // utilization
	Rate     float64  `json:"rate"`  // calls per second
	Planned  int      `json:"planned"`
	Served   int      `json:"served"`
	Recorded int      `json:"recorded"` // after the warm-up
	Unstable string   `json:"unstable,omitempty"`
	Numbers  []Number `json:"numbers"`
	// Conditions compares mean service times.
	Conditions []Condition `json:"conditions"`
	After      After       `json:"after"`
	Late       Late        `json:"late"`
	Machine    Machine     `json:"machine"`
	Busy       []string    `json:"busy"` // why the machine was not quiet; empty if it was
}

// Number is one number in both worlds.
type Number struct {
	Name      string           `json:"name"`
	Unit      string           `json:"unit"`
	Measured  metrics.Estimate `json:"measured"`
	Predicted metrics.Estimate `json:"predicted"`
	Error     metrics.Estimate `json:"error"` // predicted over measured, less 1
}

// Condition is the service time under one condition.
type Condition struct {
	Name  string  `json:"name"`
	Share float64 `json:"share"` // of the real calls
	Number
}

// After is the median service time of calls that found the core idle, and of
// those that followed another at once. The model knows no difference.
type After struct {
	Idle    metrics.Estimate `json:"idle"`
	Another metrics.Estimate `json:"another"`
}

// Late is how late the driver made calls.
type Late struct {
	P50 float64 `json:"p50_s"`
	P99 float64 `json:"p99_s"`
}

// Machine says what the machine did under the load, as shares of the time that
// passed: means over the rounds.
type Machine struct {
	Took        time.Duration `json:"took_ns"`
	Functions   float64       `json:"functions"`    // CPU time of the functions, of their core
	Others      float64       `json:"others"`       // of the functions' core, by anybody else
	Elsewhere   float64       `json:"elsewhere"`    // of the other cores, by anybody but the client
	Steal       float64       `json:"steal"`        // the hypervisor gave the cores to somebody else
	Waited      float64       `json:"waited"`       // threads of the functions were ready and did not run
	ClientWait  float64       `json:"client_wait"`  // threads of the client, likewise
	LoadAverage float64       `json:"load_average"` // of the last minute, at the end
}

// Round is one load that was driven.
type Round struct {
	Level   int // index of its utilization
	Planned int
	Served  []openloop.Served
	Machine Machine
}

const confidence = .95

// Report predicts every load from the samples and compares. rates are those of
// the loads, by utilization.
func (c Check) Report(ctx context.Context, samples []servicetime.Sample, rates []float64, rounds []Round) (*Report, error) {
	r := &Report{
		Schema: Schema, Platform: c.Platform, Functions: c.Functions, Input: c.Input, Rounds: c.Rounds, Duration: c.Duration,
		Seed: c.Seed, Confidence: confidence, Notes: []string{},
	}
	for _, s := range samples {
		if s.Status == servicetime.Valid {
			r.Samples++
		}
	}
	for i, rate := range rates {
		result, err := c.Predict(ctx, samples, rate, c.Rounds)
		if err != nil {
			return nil, fmt.Errorf("predict the load at %.0f %%: %w", 100*c.Utilizations[i], err)
		}
		var own []Round
		for _, round := range rounds {
			if round.Level == i {
				own = append(own, round)
			}
		}
		level := compare(&result.Runs[0], observe(c, own))
		level.Aimed, level.Rate = c.Utilizations[i], rate
		level.Busy = busy(level)
		r.Levels = append(r.Levels, level)
		for _, note := range result.Notes {
			if !slices.Contains(r.Notes, note) {
				r.Notes = append(r.Notes, note)
			}
		}
	}
	return r, nil
}

// compare puts what was observed beside a run of the model.
func compare(run *experiment.Run, o *observed) Level {
	l := Level{
		Planned: o.planned, Served: o.served, Recorded: o.recorded, Unstable: run.Unstable,
		After: After{Idle: o.quantile(o.idle, .5), Another: o.quantile(o.another, .5)},
		Late:  Late{P50: quantile(o.late, .5), P99: quantile(o.late, .99)}, Machine: o.machine,
		Conditions: []Condition{},
	}
	for _, name := range []string{"response_p50", "response_p95", "response_p99", "response_mean", "service_p50", "service_p99", "service_mean", "utilization"} {
		m, _ := run.Find(name)
		l.Numbers = append(l.Numbers, number(m, o.number(name)))
	}
	for _, marginal := range run.Conditions {
		at := slices.IndexFunc(o.classes, func(s *section) bool { return s.name == marginal.Name })
		if at < 0 {
			continue
		}
		for _, m := range marginal.Metrics {
			if m.Name == "service_mean" {
				class := o.classes[at]
				l.Conditions = append(l.Conditions, Condition{
					Name: marginal.Name, Share: float64(class.count()) / float64(max(1, o.recorded)),
					Number: number(m, metrics.MeanOf(class.means(), confidence)),
				})
			}
		}
	}
	return l
}

func number(predicted experiment.Metric, measured metrics.Estimate) Number {
	return Number{Name: predicted.Name, Unit: predicted.Unit, Measured: measured, Predicted: predicted.Estimate, Error: relative(predicted.Estimate, measured)}
}

// relative is the error of a prediction. The relative half-widths of both add up
// as squares, on either side. That counts the luck of the arrivals twice, though
// both faced the same: the interval is rather too wide.
func relative(predicted, measured metrics.Estimate) metrics.Estimate {
	e := metrics.Estimate{
		Est: predicted.Est/measured.Est - 1, Lo: math.NaN(), Hi: math.NaN(), N: measured.N,
		Method: metrics.MethodCombined, Status: metrics.StatusOK,
	}
	for _, part := range []metrics.Estimate{predicted, measured} {
		if !part.OK() {
			return metrics.NotEstimable(e.Est, e.N, e.Method, part.Note)
		}
	}
	ratio := predicted.Est / measured.Est
	e.Lo = e.Est - ratio*math.Hypot(1-predicted.Lo/predicted.Est, measured.Hi/measured.Est-1)
	e.Hi = e.Est + ratio*math.Hypot(predicted.Hi/predicted.Est-1, 1-measured.Lo/measured.Est)
	return e
}

// modelClass is the class of a call after k of others.
func modelClass(k int64, first bool) string {
	return cluster.ClassOf(servicetime.State{New: first, K: k}).String()
}
