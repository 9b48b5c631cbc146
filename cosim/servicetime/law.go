package servicetime

import (
	"fmt"
	"slices"
	"time"
)

// Measured is what was measured of one function on one platform in one
// condition.
type Measured struct {
	Condition Condition
	Samples   []Sample

	tailed bool // a resample: calls may be longer than the longest sample
}

// LawOptions says how a SampledLaw answers between and beside its samples.
type LawOptions struct {
	Request Request        // named in errors
	Model   ConditionModel // how a core's state becomes a depth
	Mix     string         // which mix's lukewarm samples count; "" means CatalogMix
	// Penalty scales the difference to warm: 1 as measured, 0 every call warm
	// (the placebo).
	Penalty      float64
	Create, Init Distribution // given stages; nil means measured
}

// SampledLaw draws from measured samples. Along the interpolation axis it is
// linear between the measured conditions, quantile by quantile, and monotone:
// where noise makes a deeper condition faster, the neighbours are pooled
// (isotonic regression) and Smoothed says so. The samples themselves are never
// altered.
type SampledLaw struct {
	options  LawOptions // with the k½ in use
	given    LawOptions // as they were given
	measured []Measured
	axis     *axis // nil when neither warm nor anything deeper was measured
	cold     *curve
	create   Distribution
	init     Distribution
}

// NewLaw builds the law of one function on one platform. Samples that are not
// valid are left out. It fails only on samples that cannot belong together: two
// entries of one condition, or keys that differ in more than the condition.
func NewLaw(measured []Measured, o LawOptions) (*SampledLaw, error) {
	if o.Mix == "" {
		o.Mix = CatalogMix
	}
	if err := checkPool(measured); err != nil {
		return nil, err
	}
	return newLaw(measured, o), nil
}

// newLaw builds a law from samples that belong together.
func newLaw(measured []Measured, o LawOptions) *SampledLaw {
	law := &SampledLaw{options: o, given: o, measured: measured, create: o.Create, init: o.Init}
	var points []point
	for _, m := range measured {
		c := newCurve(m)
		if c == nil {
			continue
		}
		switch {
		case m.Condition.Kind == Cold:
			law.cold = c
		case m.Condition.Kind == StageCreate && o.Create == nil:
			law.create = c
		case m.Condition.Kind == StageInit && o.Init == nil:
			law.init = c
		case m.Condition.Kind == Lukewarm && m.Condition.Mix != o.Mix:
		default:
			if _, onAxis := m.Condition.Depth(DefaultHalfDepth); onAxis {
				points = append(points, point{condition: m.Condition, curve: c})
			}
		}
	}
	law.axis = newAxis(points, o.Model)
	if law.axis != nil {
		law.options.Model.HalfDepth = law.axis.halfDepth
	}
	return law
}

func checkPool(measured []Measured) error {
	var first *Key
	seen := map[Condition]bool{}
	for _, m := range measured {
		if seen[m.Condition] {
			return fmt.Errorf("samples of %s given twice", m.Condition)
		}
		seen[m.Condition] = true
		for i := range m.Samples {
			key := m.Samples[i].Key
			if key.Condition != m.Condition {
				return fmt.Errorf("sample of %s filed under %s", key.Condition, m.Condition)
			}
			key.Condition = Condition{}
			if first == nil {
				first = &key
			}
			if key != *first {
				return fmt.Errorf("samples of two keys cannot be pooled: %+v and %+v", *first, key)
			}
		}
	}
	return nil
}

// Draw answers for an invocation in state s. It returns a *NotSampledError
// where the condition lies beyond what was measured.
func (l *SampledLaw) Draw(s State, u float64) (Draw, error) {
	if l.axis == nil || l.axis.points[0].depth != 0 {
		return Draw{}, l.missing(Condition{Kind: Warm}, "no warm samples")
	}
	i := l.axis.locate(u)
	warm := l.axis.at(0, i, u)
	if l.options.Penalty == 0 {
		return l.shift(warm, warm, s.Base), nil
	}
	if s.Cold {
		if l.cold == nil {
			return Draw{}, l.missing(Condition{Kind: Cold}, "")
		}
		return l.shift(warm, l.cold.at(u), s.Base), nil
	}
	depth := l.options.Model.Depth(s)
	there, interpolated, ok := l.axis.between(depth, i, u)
	if !ok {
		return Draw{}, l.missing(Condition{Kind: Flush}, fmt.Sprintf("depth %.3f lies beyond the deepest measured, %s", depth, l.axis.points[len(l.axis.points)-1].condition))
	}
	draw := l.shift(warm, there, s.Base)
	draw.Interpolated = interpolated
	return draw, nil
}

// shift applies the penalty factor and a trace's own duration. The duration
// replaces the warm call and counts as busy as a whole.
func (l *SampledLaw) shift(warm, there pair, base time.Duration) Draw {
	service := warm.service + l.options.Penalty*(there.service-warm.service)
	busy := warm.busy + l.options.Penalty*(there.busy-warm.busy)
	if base > 0 {
		service += float64(base) - warm.service
		busy += float64(base) - warm.busy
	}
	d := Draw{Service: max(1, nanoseconds(service))}
	d.Busy = min(max(1, nanoseconds(busy)), d.Service)
	return d
}

// Startup draws the two stages of a cold start.
func (l *SampledLaw) Startup(create, init float64) (createTime, initTime time.Duration, err error) {
	if l.create == nil {
		return 0, 0, l.missing(Condition{Kind: StageCreate}, "or give cluster.cold-start.create in the scenario")
	}
	if l.init == nil {
		return 0, 0, l.missing(Condition{Kind: StageInit}, "or give cluster.cold-start.init in the scenario")
	}
	return l.create.Quantile(create), l.init.Quantile(init), nil
}

// WarmMean returns the mean busy and service time of a warm call, or zeros
// where warm was not measured.
func (l *SampledLaw) WarmMean() (busy, service time.Duration) {
	if l.axis == nil || l.axis.points[0].depth != 0 {
		return 0, 0
	}
	p := l.axis.points[0].curve.mean()
	return nanoseconds(p.busy), nanoseconds(p.service)
}

// HalfDepth returns the k½ in use, fitted or given.
func (l *SampledLaw) HalfDepth() float64 { return l.options.Model.HalfDepth }

// Depth returns the depth of a state under the law's condition model.
func (l *SampledLaw) Depth(s State) float64 { return l.options.Model.Depth(s) }

// WithModel returns the same samples under another condition model. The
// measured conditions keep their depths.
func (l *SampledLaw) WithModel(m ConditionModel) Law {
	changed := *l
	m.HalfDepth = l.options.Model.HalfDepth
	changed.options.Model = m
	m.HalfDepth = l.given.Model.HalfDepth // fitted anew to every resample
	changed.given.Model = m
	return &changed
}

// Smoothed lists the measured conditions whose quantiles were pooled with a
// neighbour's to keep the law monotone along the axis.
func (l *SampledLaw) Smoothed() []Condition {
	if l.axis == nil {
		return nil
	}
	return slices.Clone(l.axis.smoothed)
}

func (l *SampledLaw) missing(c Condition, detail string) error {
	if c.Kind == Lukewarm {
		c.Mix = l.options.Mix
	}
	return &NotSampledError{Request: l.options.Request, Condition: c, Detail: detail}
}
