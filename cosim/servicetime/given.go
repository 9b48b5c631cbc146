package servicetime

import "time"

// GivenLaw is a law that a scenario states instead of measuring it: for
// queueing theory and what-ifs. An invocation takes X·(1 + a·d), where X is
// drawn from Service and d is the depth of its state under Model; a cold call
// has d = 1.
type GivenLaw struct {
	Service      Distribution
	BusyFraction float64        // share of the service time in which a core is held, (0, 1]
	Relative     float64        // a: relative penalty at flush, >= 0
	Model        ConditionModel // read only when Relative > 0
	Create, Init Distribution   // stages of a cold start; nil takes no time
}

// Draw returns X·(1 + a·d). With a trace's own duration in the state, that
// duration stands for X.
func (g *GivenLaw) Draw(s State, u float64) (Draw, error) {
	service := s.Base
	if service == 0 {
		service = g.Service.Quantile(u)
	}
	if g.Relative > 0 {
		depth := 1.0
		if !s.Cold {
			depth = g.Model.Depth(s)
		}
		service = nanoseconds(float64(service) * (1 + g.Relative*depth))
	}
	busy := service
	if g.BusyFraction < 1 {
		busy = nanoseconds(float64(service) * g.BusyFraction)
	}
	return Draw{Service: service, Busy: busy}, nil
}

// Depth returns the depth of a state under the law's condition model.
func (g *GivenLaw) Depth(s State) float64 { return g.Model.Depth(s) }

// WithModel returns the same law under another condition model.
func (g *GivenLaw) WithModel(m ConditionModel) Law {
	changed := *g
	changed.Model = m
	return &changed
}

// Startup draws the stages of a cold start.
func (g *GivenLaw) Startup(create, init float64) (createTime, initTime time.Duration, err error) {
	return stage(g.Create, create), stage(g.Init, init), nil
}

// WarmMean returns the mean time a core is held by a warm call, and the mean
// service time.
func (g *GivenLaw) WarmMean() (busy, service time.Duration) {
	service = g.Service.Mean()
	return nanoseconds(float64(service) * g.BusyFraction), service
}

func stage(d Distribution, u float64) time.Duration {
	if d == nil {
		return 0
	}
	return d.Quantile(u)
}

// TraceLaw is the law of a trace function that no measured function stands
// for: it takes the trace's own duration in every condition, all of it on a
// core.
type TraceLaw struct{ Create, Init Distribution }

// Draw returns the trace's duration, at least a nanosecond.
func (TraceLaw) Draw(s State, _ float64) (Draw, error) {
	base := max(1, s.Base)
	return Draw{Service: base, Busy: base}, nil
}

// Startup draws the stages of a cold start.
func (t TraceLaw) Startup(create, init float64) (createTime, initTime time.Duration, err error) {
	return stage(t.Create, create), stage(t.Init, init), nil
}
