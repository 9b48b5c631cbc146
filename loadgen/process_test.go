package loadgen_test

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/loadgen"
)

func TestValidateNamesEveryMistake(t *testing.T) {
	t.Parallel()
	on := loadgen.State{Rate: 5, Sojourn: time.Second}
	off := loadgen.State{Sojourn: time.Second}
	for name, c := range map[string]struct {
		process loadgen.Process
		fields  []string
	}{
		"constant":                         {loadgen.Process{Kind: loadgen.Constant, Rate: 1}, nil},
		"uniform later":                    {loadgen.Process{Kind: loadgen.Uniform, Rate: 1, Offset: time.Second}, nil},
		"poisson at the largest rate":      {loadgen.Process{Kind: loadgen.Poisson, Rate: loadgen.MaxRate}, nil},
		"pareto":                           {loadgen.Process{Kind: loadgen.Pareto, Rate: 1, Shape: 1.5}, nil},
		"burst":                            {loadgen.Process{Kind: loadgen.Burst, Rate: 1, Size: 10}, nil},
		"sine":                             {loadgen.Process{Kind: loadgen.Sine, Rate: 1, Amplitude: 1, Period: time.Hour}, nil},
		"interrupted poisson":              {loadgen.Process{Kind: loadgen.MMPP, States: []loadgen.State{on, off}}, nil},
		"nothing said":                     {loadgen.Process{}, []string{"kind", "rate"}},
		"kind out of range":                {loadgen.Process{Kind: 99, Rate: 1}, []string{"kind"}},
		"negative rate":                    {loadgen.Process{Kind: loadgen.Poisson, Rate: -1}, []string{"rate"}},
		"rate is not a number":             {loadgen.Process{Kind: loadgen.Poisson, Rate: math.NaN()}, []string{"rate"}},
		"infinite rate":                    {loadgen.Process{Kind: loadgen.Poisson, Rate: math.Inf(1)}, []string{"rate"}},
		"pareto of infinite mean":          {loadgen.Process{Kind: loadgen.Pareto, Rate: 1, Shape: 1}, []string{"shape"}},
		"pareto without shape":             {loadgen.Process{Kind: loadgen.Pareto, Rate: 1}, []string{"shape"}},
		"fields of other kinds":            {loadgen.Process{Kind: loadgen.Poisson, Rate: 1, Shape: 2, Size: 3, Amplitude: .5, Period: 1, States: []loadgen.State{on}}, []string{"states", "shape", "size", "amplitude", "period"}},
		"burst of nothing, before time":    {loadgen.Process{Kind: loadgen.Burst, Rate: 1, Offset: -1}, []string{"size", "offset"}},
		"sine beyond its mean, no period":  {loadgen.Process{Kind: loadgen.Sine, Rate: 1, Amplitude: 1.1}, []string{"amplitude", "period"}},
		"mmpp of one state":                {loadgen.Process{Kind: loadgen.MMPP, States: []loadgen.State{on}}, []string{"states"}},
		"mmpp with a rate of its own":      {loadgen.Process{Kind: loadgen.MMPP, Rate: 2, States: []loadgen.State{on, off}}, []string{"rate"}},
		"mmpp that never sends":            {loadgen.Process{Kind: loadgen.MMPP, States: []loadgen.State{off, off}}, []string{"states"}},
		"mmpp with mistakes in each state": {loadgen.Process{Kind: loadgen.MMPP, States: []loadgen.State{{Rate: -1}, {Rate: 1, Sojourn: -1}}}, []string{"states[0].rate", "states[0].sojourn", "states[1].sojourn"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.fields, fields(c.process.Validate()))
		})
	}
}

// fields returns the fields that a joined error complains about, in order.
func fields(err error) []string {
	if err == nil {
		return nil
	}
	var names []string
	for _, e := range err.(interface{ Unwrap() []error }).Unwrap() {
		var field *loadgen.FieldError
		if errors.As(e, &field) {
			names = append(names, field.Field)
		}
	}
	return names
}

func TestKindsTravelAsWords(t *testing.T) {
	t.Parallel()
	for k := loadgen.Constant; k <= loadgen.Sine; k++ {
		text, err := json.Marshal(k)
		require.NoError(t, err)
		var back loadgen.Kind
		require.NoError(t, json.Unmarshal(text, &back))
		require.Equal(t, k, back)
	}
	kind, err := loadgen.ParseKind("Poisson")
	require.NoError(t, err)
	require.Equal(t, loadgen.Poisson, kind)
	for _, word := range []string{"", "invalid", "gamma"} {
		_, err := loadgen.ParseKind(word)
		require.ErrorContains(t, err, "want one of constant, uniform, poisson, mmpp, pareto, burst, sine")
	}
	require.Equal(t, "invalid", loadgen.Kind(77).String())
}

func TestMeanRate(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 7, loadgen.Process{Kind: loadgen.Poisson, Rate: 7}.MeanRate(), 0)
	p := loadgen.Process{Kind: loadgen.MMPP, States: []loadgen.State{{Rate: 10, Sojourn: time.Second}, {Rate: 1, Sojourn: 2 * time.Second}}}
	require.InDelta(t, 4, p.MeanRate(), 1e-12, "(10·1 + 1·2)/3")
}

func TestAFunctionExpectsWhatItsProcessSends(t *testing.T) {
	t.Parallel()
	p := loadgen.Process{Kind: loadgen.Constant, Rate: 2, Offset: 10 * time.Second}
	require.InDelta(t, 100, p.Function("f", seconds(60)).ExpectedInvocations, 1e-9)
	require.Zero(t, p.Function("f", seconds(5)).ExpectedInvocations, "the horizon lies before the start")
	require.InDelta(t, 102, loadgen.Workload{Functions: []loadgen.Function{
		p.Function("f", seconds(60)), p.Function("g", seconds(11)),
	}}.ExpectedInvocations(), 1e-9)
}
