package host

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/functions"
	"microcosm/gem5bridge"
)

// drawCells draws cells of a few functions, no two alike.
func drawCells(t *rapid.T) []*cell {
	words := []string{"cold", "warm", "lukewarm:2", "flush", "stage:init", "stressor:4096"}
	var cells []*cell
	for _, id := range rapid.SliceOfNDistinct(rapid.IntRange(0, 3*len(words)-1), 1, 9, rapid.ID).Draw(t, "cells") {
		c, err := servicetime.ParseCondition(words[id%len(words)])
		require.NoError(t, err)
		cells = append(cells, &cell{Cell: gem5bridge.Cell{
			Function: fmt.Sprint("f", id/len(words)), Input: "default", Condition: c, Count: rapid.IntRange(1, 30).Draw(t, "count"),
		}})
	}
	return cells
}

// TestTheRoundsTakeEverySampleOnce and in an order that the package promises: new
// processes first, starting before the first call, and cells in a random order that is
// the seed's.
func TestTheRoundsTakeEverySampleOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		cells, seed := drawCells(t), rapid.Uint64().Draw(t, "seed")
		total := 0
		for _, c := range cells {
			total = max(total, roundsOf(c))
		}
		taken, rounds := map[*cell]int{}, map[*cell]int{}
		for round := range total {
			all := order(cells, seed, round, total)
			require.Equal(t, all, order(cells, seed, round, total), "it is the seed's alone")
			inRound := map[*cell]int{}
			rest := false
			for i, c := range all {
				taken[c]++
				inRound[c]++
				require.False(t, rest && c.needsNew(), "what needs a new process comes first: %v", all)
				rest = rest || !c.needsNew()
				if i > 0 && c.needsNew() && all[i-1].needsNew() && c.place() == all[i-1].place() {
					require.GreaterOrEqual(t, all[i-1].Condition.Kind, c.Condition.Kind, "a process is started before it is called")
				}
			}
			for c := range inRound {
				rounds[c]++
			}
			requireGrouped(t, all)
		}
		for _, c := range cells {
			require.Equal(t, c.Count, taken[c], "%s", c)
			require.GreaterOrEqual(t, rounds[c], min(c.Count, restores), "%s comes from as many rounds, each of which has new processes", c)
		}
	})
}

// requireGrouped checks that what needs a new process comes place by place: a process
// that was started for one sample serves the first call of the next.
func requireGrouped(t require.TestingT, all []*cell) {
	var places []string
	for _, c := range all {
		if c.needsNew() && (len(places) == 0 || places[len(places)-1] != c.place()) {
			require.NotContains(t, places, c.place())
			places = append(places, c.place())
		}
	}
}

// TestNoCellIsAlwaysMeasuredAfterTheSame looks at the order of two cells over many
// rounds: what drifts, drifts for both.
func TestNoCellIsAlwaysMeasuredAfterTheSame(t *testing.T) {
	t.Parallel()
	a := &cell{Cell: gem5bridge.Cell{Function: "a", Condition: servicetime.Condition{Kind: servicetime.Warm}, Count: 1000}}
	b := &cell{Cell: gem5bridge.Cell{Function: "b", Condition: servicetime.Condition{Kind: servicetime.Warm}, Count: 1000}}
	first := 0
	for round := range 1000 {
		all := order([]*cell{a, b}, 7, round, 1000)
		require.Len(t, all, 2)
		if all[0] == a {
			first++
		}
	}
	require.InDelta(t, 500, first, 80, "five standard deviations of a fair coin")
}

// TestSettledIsTheRuleInWords compares the rule with its sentence: the median of the
// last eight within 5 % of that of the eight before.
func TestSettledIsTheRuleInWords(t *testing.T) {
	t.Parallel()
	middle := func(times []time.Duration) float64 {
		sorted := slices.Sorted(slices.Values(times))
		return float64(sorted[3]) // the lower of the two in the middle of eight
	}
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) time.Duration {
			return time.Duration(rapid.IntRange(900, 1100).Draw(t, "time")) * time.Microsecond
		}), 0, 40).Draw(t, "times")
		elapsed := time.Duration(rapid.IntRange(0, 3000).Draw(t, "elapsed")) * time.Millisecond
		n := len(times)
		switch {
		case n < 3:
			require.False(t, settled(times, elapsed))
		case elapsed >= 2*time.Second:
			require.True(t, settled(times, elapsed))
		case n < 16:
			require.False(t, settled(times, elapsed))
		default:
			last, before := middle(times[n-8:]), middle(times[n-16:n-8])
			change := max(last-before, before-last) / before
			if change < .05-1e-9 {
				require.True(t, settled(times, elapsed))
			}
			if change > .05+1e-9 {
				require.False(t, settled(times, elapsed))
			}
		}
	})
}

// TestMoreOfADisturbanceIsNoLess: whatever is rejected stays so if there is more of
// what disturbed.
func TestMoreOfADisturbanceIsNoLess(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		wait := func(name string, most int) time.Duration {
			return time.Duration(rapid.IntRange(0, most).Draw(t, name)) * time.Microsecond
		}
		var usual *counts
		if rapid.Bool().Draw(t, "warmed up") {
			usual = &counts{involuntary: rapid.Int64Range(0, 20).Draw(t, "usual switches"), wait: wait("usual wait", 1000)}
		}
		r := reading{sandbox: &sandbox{usual: usual}}
		r.cpu = wait("cpu", 5000)
		r.counts = counts{involuntary: rapid.Int64Range(0, 100).Draw(t, "switches"), wait: wait("wait", 10_000)}
		before := r.disturbed()
		r.counts.wait += wait("more wait", 10_000)
		r.counts.involuntary += rapid.Int64Range(0, 100).Draw(t, "more switches")
		after := r.disturbed()
		if before != "" {
			require.NotEmpty(t, after)
		}
		if after != "" {
			require.True(t, strings.HasPrefix(after, "disturbed: "), after)
		}
		if usual == nil {
			require.Equal(t, r.counts.wait > r.cpu+2*time.Millisecond, after != "")
		} else {
			require.Equal(t, r.counts.wait > 3*usual.wait+500*time.Microsecond || r.counts.involuntary > 3*usual.involuntary+8, after != "")
		}
	})
}

// aBackend is a back end of a machine that is made up.
func aBackend(t *testing.T, m *machine) *Backend {
	t.Helper()
	catalog, err := functions.Load()
	require.NoError(t, err)
	m.platform = gem5bridge.Platform{Name: "host-abacus", Digest: "digest", ISA: "amd64"}
	return &Backend{catalog: catalog, machine: m, stack: func() string { return "stack" }, simulator: func() string { return "simulator" }}
}

func TestADescriptionTellsWhatAReaderMustKnow(t *testing.T) {
	t.Parallel()
	d, err := aBackend(t, &machine{core: 3, clients: []int{0, 1}, lastLevel: 5 << 20}).Describe(t.Context(), gem5bridge.Setup{Platform: "host-abacus"})
	require.NoError(t, err)
	require.Equal(t, "host", d.Backend)
	require.Equal(t, "stack", d.Stack)
	require.Contains(t, d.Notes, "functions run on core 3, the client on [0 1]")
	require.Contains(t, d.Notes, "flush walks 10485760 bytes of data and of code")
	require.NotContains(t, strings.Join(d.Notes, "\n"), "one core only")
	d, err = aBackend(t, &machine{core: 3, clients: []int{3}}).Describe(t.Context(), gem5bridge.Setup{})
	require.NoError(t, err)
	require.Contains(t, d.Notes, "one core only: the client shares it with the functions")
	require.Contains(t, d.Notes, "flush walks 67108864 bytes of data and of code")
}

func TestMistakesInTheSetupOfTheHost(t *testing.T) {
	t.Parallel()
	b := aBackend(t, &machine{clients: []int{0}})
	_, err := b.Describe(t.Context(), gem5bridge.Setup{
		Platform: "neoverse-n1", Overrides: map[string]string{"l2.size": "1MiB"}, Settings: map[string]string{"hang": "1m", SettingReady: "never", "gem5": "/gem5"},
	})
	require.EqualError(t, err, strings.Join([]string{
		`invalid job: platform "neoverse-n1": this machine is "host-abacus"`,
		"invalid job: overrides map[l2.size:1MiB]: this machine has no parameters to change",
		`invalid job: setting "gem5": the host back end knows "ready" only`,
		`invalid job: setting "hang": the host back end knows "ready" only`,
		`invalid job: setting ready "never": want a positive duration like "90s"`,
	}, "\n"))
	for text, want := range map[string]time.Duration{"": time.Minute, "90s": 90 * time.Second, "1ns": 1} {
		setup := gem5bridge.Setup{}
		if text != "" {
			setup.Settings = map[string]string{SettingReady: text}
		}
		got, err := readySetting(setup)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	for _, text := range []string{"0s", "-1s", "1", "1 m"} {
		_, err := readySetting(gem5bridge.Setup{Settings: map[string]string{SettingReady: text}})
		require.ErrorIs(t, err, gem5bridge.ErrInvalidJob, text)
	}
}

func TestACampaignWithoutANameIsItsSeed(t *testing.T) {
	t.Parallel()
	require.Equal(t, "night", campaign(gem5bridge.Job{Campaign: "night", Seed: 7}))
	require.Equal(t, "seed-7", campaign(gem5bridge.Job{Seed: 7}))
}

// TestKindsOfWhatWentWrong finds the kind however deep it is wrapped.
func TestKindsOfWhatWentWrong(t *testing.T) {
	t.Parallel()
	died := &gem5bridge.Failure{Kind: gem5bridge.ErrFunctionDied}
	require.Equal(t, gem5bridge.ErrFunctionDied, kindOf(fmt.Errorf("prime: %w", fmt.Errorf("interleave: %w", died))))
	require.NoError(t, kindOf(fmt.Errorf("no port is free")))
}
