package experiment

import (
	"context"
	"fmt"
	"math"
	"slices"

	"microcosm/cosim/cluster"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/loadgen"
)

// conditioned is a law whose times depend on the state of the core.
type conditioned interface {
	Depth(servicetime.State) float64
	WithModel(servicetime.ConditionModel) servicetime.Law
}

// Model returns the condition model of a scenario, by which laws are built. An
// idle model whose constant is to be fitted is the interleave model at first,
// which it is fitted to.
func Model(f scenario.Fidelity) (servicetime.ConditionModel, error) {
	kind, err := servicetime.ParseModel(f.Model.Depths())
	m := servicetime.ConditionModel{Kind: kind, HalfDepth: f.Model.HalfDepth, Tau: f.Model.Tau}
	if fitted(f.Model) {
		m.Kind = servicetime.Interleave
	}
	return m, err
}

func fitted(m scenario.Model) bool { return m.Depths() == servicetime.Idle.String() && m.Tau == 0 }

// fitConditions fits the constant of the idle model where none is given. The
// pilot has a seed of its own, so that no replication sees what it was fitted
// to.
func (p *plan) fitConditions(ctx context.Context) error {
	if !fitted(p.scenario.Fidelity.Model) {
		return nil
	}
	seed := loadgen.Rand(p.scenario.Seed, "pilot").Uint64()
	pilot, err := p.simulate(ctx, seed, func(c *cluster.Config) { c.Census = true })
	if err != nil {
		return fmt.Errorf("pilot run to fit tau: %w", err)
	}
	for i, f := range p.template.Functions {
		for platform, law := range f.Laws {
			if _, given := law.(servicetime.TraceLaw); given {
				continue // takes the same time in every state
			}
			known, ok := law.(conditioned)
			if !ok {
				return fmt.Errorf("function %s: tau cannot be fitted to service times that are measured while the run goes on: give fidelity.model.tau", f.Name)
			}
			tau := servicetime.FitTau(pilot.Censuses[i].States(), known.Depth)
			f.Laws[platform] = known.WithModel(servicetime.ConditionModel{Kind: servicetime.Idle, Tau: tau})
			p.fits = append(p.fits, fmt.Sprintf("%s on %s: tau is %v, fitted to %d invocations of a pilot run", f.Name, platform, tau, pilot.Censuses[i].Len()))
		}
	}
	slices.Sort(p.fits)
	return nil
}

// run simulates one replication. Where the loop is cut, the coupled run of the
// same replication comes first: its shares are those that are drawn from.
func (p *plan) run(ctx context.Context, replication int) (*cluster.Outcome, error) {
	seed := Seed(p.scenario.Seed, replication)
	if !p.scenario.Fidelity.Model.Independent() {
		return p.simulate(ctx, seed, func(*cluster.Config) {})
	}
	shares, err := p.shares(ctx, seed)
	if err != nil {
		return nil, err
	}
	return p.simulate(ctx, seed, func(c *cluster.Config) {
		for i := range c.Functions {
			c.Functions[i].Conditions = shares[i]
		}
	})
}

// shares returns the distribution that conditions are drawn from, by function.
func (p *plan) shares(ctx context.Context, seed uint64) ([]*cluster.Census, error) {
	if given := p.scenario.Fidelity.Model.Shares; len(given) > 0 {
		census, err := givenShares(given)
		shares := make([]*cluster.Census, len(p.template.Functions))
		for i := range shares {
			shares[i] = census
		}
		return shares, err
	}
	coupled, err := p.simulate(ctx, seed, func(c *cluster.Config) { c.Census = true })
	if err != nil {
		return nil, fmt.Errorf("coupled run: %w", err)
	}
	return coupled.Censuses, nil
}

// shareGrain is the resolution of a given share.
const shareGrain = 10_000

func givenShares(list []scenario.ConditionShare) (*cluster.Census, error) {
	var states []servicetime.State
	sum := 0.0
	for _, s := range list {
		state, err := s.State()
		if err != nil {
			return nil, err
		}
		sum += float64(s.Share)
		for len(states) < int(math.Round(sum*shareGrain)) {
			states = append(states, state)
		}
	}
	return cluster.NewCensus(states), nil
}
