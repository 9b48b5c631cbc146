package experiment_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/sampling"
)

// growing is a campaign that measures more when it is asked.
type growing struct {
	campaign
	asked map[string]int
}

func (g *growing) measure(_ context.Context, wanted []experiment.Wanted) error {
	for _, w := range wanted {
		g.asked[w.Cell.Request.Function] += w.Count
		restores := g.warm[w.Cell.Request.Function]
		for i := range w.Count {
			restores = append(restores, restores[i%8])
		}
		g.warm[w.Cell.Request.Function] = restores
	}
	return nil
}

func TestAStudySpendsSamplesWhereTheyMatter(t *testing.T) {
	t.Parallel()
	g := &growing{asked: map[string]int{}, campaign: campaign{warm: map[string][][]time.Duration{
		"aes-go": spread(8, 2, 1, true), "auth-go": spread(8, 2, .01, true),
	}}}
	study, err := experiment.NewStudy(t.Context(), parse(t, measuredQueue), "mean", g.opens(), g.measure)
	require.NoError(t, err)
	require.Len(t, study.Cells(), 4, "two functions, warm and flush")
	plan, err := sampling.Plan(t.Context(), study, sampling.Goal{Relative: .05})
	require.NoError(t, err)
	require.Empty(t, g.asked, "a plan measures nothing")
	require.NotEmpty(t, plan.Next)

	before := plan.Estimate.Relative()
	step, err := sampling.Run(t.Context(), study, sampling.Goal{Relative: before / 1.5}, nil)
	require.NoError(t, err)
	require.LessOrEqual(t, step.Estimate.Relative(), before/1.5)
	require.Greater(t, g.asked["aes-go"], 10*max(1, g.asked["auth-go"]), "%v", g.asked)
}

func TestAStudyOfNothingMeasured(t *testing.T) {
	t.Parallel()
	s := parse(t, station(1, fixed(1), "{process: poisson, rate: 0.5/s}", "{law: exponential, mean: 1s}", "100s"))
	_, err := experiment.NewStudy(t.Context(), s, "p99", experiment.Options{}, nil)
	require.ErrorContains(t, err, "no service time is measured")
	_, err = experiment.NewStudy(t.Context(), s, "p98", experiment.Options{}, nil)
	require.ErrorContains(t, err, "response_p99")
}
