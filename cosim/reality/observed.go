package reality

import (
	"fmt"
	"math"
	"slices"
	"time"

	"microcosm/cosim/metrics"
	"microcosm/loadgen/openloop"
)

// observed is what the loads at one utilization have shown. Rounds are its
// sections: within one, calls follow one another on the same processes.
type observed struct {
	planned, served, recorded int
	response, service         *section
	idle, another             *section // service of calls that found the core idle, or followed another at once
	classes                   []*section
	utilization               []float64       // by round
	late                      []time.Duration // of all calls
	machine                   Machine
}

// section is a time by round.
type section struct {
	name   string
	rounds []*metrics.Histogram
}

func newSection(name string, rounds int) *section {
	s := &section{name: name, rounds: make([]*metrics.Histogram, rounds)}
	for i := range s.rounds {
		s.rounds[i] = &metrics.Histogram{}
	}
	return s
}

func (s *section) count() (n int64) {
	for _, h := range s.rounds {
		n += h.Count()
	}
	return n
}

// means returns the means of the rounds in which there is one.
func (s *section) means() []float64 {
	var means []float64
	for _, h := range s.rounds {
		if h.Count() > 0 {
			means = append(means, h.Mean())
		}
	}
	return means
}

// observe takes the rounds of one utilization together.
func observe(c Check, rounds []Round) *observed {
	n := len(rounds)
	o := &observed{
		response: newSection("response", n), service: newSection("service", n),
		idle: newSection("idle", n), another: newSection("another", n),
	}
	for i, r := range rounds {
		o.planned += r.Planned
		o.served += len(r.Served)
		o.late = append(o.late, openloop.Lateness(r.Served)...)
		o.round(c, i, r.Served)
		o.machine.add(r.Machine, 1/float64(n))
	}
	slices.Sort(o.late)
	return o
}

// round adds the calls of round i.
func (o *observed) round(c Check, i int, served []openloop.Served) {
	from := time.Duration(warmUp * float64(c.Duration))
	last := make([]int64, len(c.Functions)) // number of a function's last call, from 1
	before, busy := time.Duration(0), time.Duration(0)
	for n, s := range served {
		number := int64(n) + 1
		k, first := number-last[s.Target]-1, last[s.Target] == 0
		last[s.Target] = number
		busy += max(0, min(s.Ended, c.Duration)-max(s.Began, from))
		if s.At >= from {
			o.recorded++
			o.response.rounds[i].Record(s.Response())
			o.service.rounds[i].Record(s.Service())
			o.class(modelClass(k, first)).rounds[i].Record(s.Service())
			after := o.idle
			if before > s.At {
				after = o.another
			}
			after.rounds[i].Record(s.Service())
		}
		before = s.Ended
	}
	o.utilization = append(o.utilization, busy.Seconds()/(c.Duration-from).Seconds())
}

func (o *observed) class(name string) *section {
	for _, s := range o.classes {
		if s.name == name {
			return s
		}
	}
	s := newSection(name, len(o.response.rounds))
	o.classes = append(o.classes, s)
	return s
}

// number estimates what the model calls by the same name.
func (o *observed) number(name string) metrics.Estimate {
	switch name {
	case "response_p50":
		return o.quantile(o.response, .5)
	case "response_p95":
		return o.quantile(o.response, .95)
	case "response_p99":
		return o.quantile(o.response, .99)
	case "response_mean":
		return metrics.MeanOf(o.response.means(), confidence)
	case "service_p50":
		return o.quantile(o.service, .5)
	case "service_p99":
		return o.quantile(o.service, .99)
	case "service_mean":
		return metrics.MeanOf(o.service.means(), confidence)
	default:
		return metrics.MeanOf(o.utilization, confidence)
	}
}

func (o *observed) quantile(s *section, p float64) metrics.Estimate {
	return metrics.QuantileOf(s.rounds, p, confidence, metrics.AutocorrelationTimeAt(s.rounds, p))
}

// quantile returns the p-quantile of sorted times in seconds.
func quantile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(math.Ceil(p*float64(len(sorted))))-1)].Seconds()
}

// add adds a share of another machine's use; the times are a sum.
func (m *Machine) add(x Machine, share float64) {
	m.Took += x.Took
	m.Functions += share * x.Functions
	m.Others += share * x.Others
	m.Elsewhere += share * x.Elsewhere
	m.Steal += share * x.Steal
	m.Waited += share * x.Waited
	m.ClientWait += share * x.ClientWait
	m.LoadAverage += share * x.LoadAverage
}

// A machine is busy beyond these shares.
const (
	muchSteal  = .01
	muchOthers = .05
	muchWait   = .5 // of the functions' CPU time: their own threads get in each other's way, too
	lateShare  = .1 // of the median service time
)

// busy says why the machine was not quiet.
func busy(l Level) []string {
	m, reasons := l.Machine, []string{}
	add := func(bad bool, format string, args ...any) {
		if bad {
			reasons = append(reasons, fmt.Sprintf(format, args...))
		}
	}
	add(m.Steal > muchSteal, "the hypervisor took %.1f %% of the time of its cores", 100*m.Steal)
	add(m.Others > muchOthers, "others used %.0f %% of the functions' core", 100*m.Others)
	add(m.Elsewhere > muchOthers, "others used %.0f %% of a core beside the client", 100*m.Elsewhere)
	add(m.Waited > muchWait*m.Functions, "the functions' threads were ready and did not run for %.0f %% of their CPU time", 100*m.Waited/math.Max(m.Functions, 1e-9))
	service := l.After.Idle.Est
	add(l.Late.P99 > lateShare*service, "the client was late: 1 %% of the calls were made more than %v after they could be", time.Duration(l.Late.P99*float64(time.Second)).Round(time.Microsecond))
	return reasons
}
