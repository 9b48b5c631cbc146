package experiment

import (
	"cmp"
	"context"
	"math"
	"slices"

	"microcosm/cosim/cluster"
	"microcosm/cosim/servicetime"
)

// Note: the error of interpolation in the cluster's numbers.
//
// How far a law may be off between its measured conditions is a bound, not luck
// (servicetime.Bend). The cluster's numbers are computed twice more, under the same
// arrivals and the same luck: with every law off downwards wherever it
// interpolates, and with every law off upwards. What that moves a number by is a
// part of its interval. That all laws are off to one side at once is unlikely, so
// that the part is rather too wide; an effect, in which both runs err alike, loses
// it where it cancels.

// errable is a law that knows how far off it may be.
type errable interface {
	interpolating
	Bends([]servicetime.LeftOut) []servicetime.Bend
	Erring(bends []servicetime.Bend, direction float64) servicetime.Resampler
}

// bends returns how far the laws may be off between their measured conditions; nil
// where none of them can be.
func (p *plan) bends(list laws) [][]servicetime.Bend {
	if p.scenario.Fidelity.Penalty == 0 {
		return nil // every call is warm
	}
	all, any := make([][]servicetime.Bend, len(list)), false
	for i, law := range list {
		if e, ok := sampled(law).(errable); ok {
			all[i] = e.Bends(e.LeaveOneOut(p.gapStreams()))
			any = any || servicetime.Interpolates(all[i])
		}
	}
	if !any {
		return nil
	}
	return all
}

// erring runs the plan with all laws off by their bends. The outcome is nil where
// the queue has no steady state, or there are no bends.
func (p *plan) erring(ctx context.Context, list laws, bends [][]servicetime.Bend, direction float64) (*cluster.Outcome, error) {
	if bends == nil {
		return nil, nil
	}
	bent := slices.Clone(list)
	for i, law := range list {
		if e, ok := sampled(law).(errable); ok && bends[i] != nil {
			bent[i] = e.Erring(bends[i], direction)
		}
	}
	return p.withLaws(list, bent).steadyRun(ctx)
}

// Gap is a condition that would have to be measured for interpolation to be as
// precise as asked.
type Gap struct {
	Request servicetime.Request
	Next    servicetime.Condition
	// Moves is by which share of it the number may be off for want of the condition.
	Moves float64
}

// Gaps returns what is to be measured between the conditions there are for the
// error of interpolation to move the number by no more than the share margin: the
// middles of the gaps that move it most, until what the others do adds up to no
// more than that. It is empty where all of them together do not.
func (x *Study) Gaps(ctx context.Context, margin float64) ([]Gap, error) {
	var gaps []Gap
	for i := range x.plans {
		all, err := x.moves(ctx, i, x.bends[i])
		if err != nil {
			return nil, err
		}
		if all <= margin {
			continue
		}
		own, err := x.gapsOf(ctx, i)
		if err != nil {
			return nil, err
		}
		left := 0.0
		for _, g := range own {
			left += g.Moves
		}
		for _, g := range own {
			if left <= margin {
				break
			}
			left -= g.Moves
			if !slices.ContainsFunc(gaps, func(known Gap) bool { return known.Request == g.Request && known.Next == g.Next }) {
				gaps = append(gaps, g)
			}
		}
	}
	return gaps, nil
}

// gapsOf returns the gaps of a plan that can be halved, the one that moves its
// number most first.
func (x *Study) gapsOf(ctx context.Context, plan int) ([]Gap, error) {
	var gaps []Gap
	for law, bends := range x.bends[plan] {
		for b, bend := range bends {
			if bend.Next.Kind == servicetime.Invalid || bend.Error == 0 {
				continue
			}
			alone := make([][]servicetime.Bend, len(x.bends[plan]))
			alone[law] = make([]servicetime.Bend, len(bends))
			alone[law][b] = bend
			moves, err := x.moves(ctx, plan, alone)
			if err != nil {
				return nil, err
			}
			gaps = append(gaps, Gap{Request: x.laws[plan][law].Cells()[0].Request, Next: bend.Next, Moves: moves})
		}
	}
	slices.SortStableFunc(gaps, func(a, b Gap) int { return cmp.Compare(b.Moves, a.Moves) })
	return gaps, nil
}

// moves returns by which share of it the number of a plan changes where its laws
// err by the bends; +Inf where the queue has no steady state then.
func (x *Study) moves(ctx context.Context, plan int, bends [][]servicetime.Bend) (float64, error) {
	if bends == nil {
		return 0, nil
	}
	base, largest := x.number.of(x.bases[plan]), 0.0
	for _, direction := range []float64{-1, 1} {
		o, err := x.plans[plan].erring(ctx, x.laws[plan], bends, direction)
		if err != nil {
			return 0, err
		}
		if o == nil {
			return math.Inf(1), nil
		}
		largest = max(largest, math.Abs(divide(x.number.of(o)-base, base)))
	}
	return largest, nil
}

// Renew reads the samples anew.
func (x *Study) Renew(ctx context.Context) error { return x.renew(ctx) }
