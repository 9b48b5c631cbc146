package main

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/experiment"
	"microcosm/cosim/sampling"
	"microcosm/cosim/scenario"
	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge"
	"microcosm/results"
	"microcosm/setup/filelock"
)

func cellOf(function, condition string) gem5bridge.Cell {
	c, err := servicetime.ParseCondition(condition)
	if err != nil {
		panic(err) // a constant of a test
	}
	return gem5bridge.Cell{Function: function, Input: "default", Condition: c, First: 2, Count: 3}
}

// TestWhatSomebodyMeasuresIsLeftToHim: of the cells claimed at once, those that are
// another's are told, and the rest is one's own until it is released.
func TestWhatSomebodyMeasuresIsLeftToHim(t *testing.T) {
	t.Parallel()
	b := newBench(t, "inline")
	warm, flush, aes := cellOf("fibonacci-go", "warm"), cellOf("fibonacci-go", "flush"), cellOf("aes-go", "warm")
	mine := newClaim(b.store.Path(), b.sources.measurer)
	held, err := mine.take([]gem5bridge.Cell{warm, flush})
	require.NoError(t, err)
	require.Equal(t, gem5bridge.Cell{}, held, "nobody has any")
	require.Equal(t, []gem5bridge.Cell{warm}, mine.among([]gem5bridge.Cell{aes, warm}))

	part, err := mine.part(flush)
	require.NoError(t, err)
	key, err := b.sources.measurer.key("fibonacci-go", "default", flush.Condition)
	require.NoError(t, err)
	require.Equal(t, key.Digest(), part, "a cell is claimed by the key of its samples")
	other, err := mine.part(aes)
	require.NoError(t, err)
	require.NotEqual(t, part, other)
	_, err = mine.part(cellOf("fibonaci-go", "warm"))
	require.ErrorContains(t, err, "fibonacci-go", "a name that is meant")

	require.NoError(t, mine.release())
	release, err := filelock.TryPart(b.store.Path()+".claims", part)
	require.NoError(t, err, "what was released is free")
	require.NoError(t, release())
}

// TestAClaimIsWaitedForUntilTheCallerGivesUp.
func TestAClaimIsWaitedForUntilTheCallerGivesUp(t *testing.T) {
	t.Parallel()
	b := newBench(t, "inline")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	claim := newClaim(b.store.Path(), b.sources.measurer)
	err := claim.await(ctx, cellOf("fibonacci-go", "warm"))
	if err == nil { // it was free: nothing to wait for
		require.NoError(t, claim.release())
		return
	}
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "claim fibonacci-go/default warm")
}

// TestFillMeasuresWhatIsOpenAndCountsIt: numbers go on where they ended, and a
// mistake in any name keeps everything from being measured.
func TestFillMeasuresWhatIsOpenAndCountsIt(t *testing.T) {
	t.Parallel()
	b := newBench(t, "inline")
	fill := func(count int, names ...string) (tally, error) {
		c := b.sources.campaign
		c.count, c.input = count, "default"
		conditions, err := parseConditions([]string{"warm", " flush"})
		require.NoError(t, err)
		return b.app.fill(t.Context(), b.store, b.sources.measurer, c, names, conditions)
	}
	stored, err := fill(3, "fibonacci-go", "aes-go")
	require.NoError(t, err)
	require.Equal(t, tally{servicetime.Valid: 12}, stored)
	require.Len(t, b.cells(t), 4)
	stored, err = fill(3, "fibonacci-go", "aes-go")
	require.NoError(t, err)
	require.Empty(t, stored)
	require.Empty(t, b.cells(t))
	stored, err = fill(5, "aes-go")
	require.NoError(t, err)
	require.Equal(t, tally{servicetime.Valid: 4}, stored)
	keys, err := b.store.Keys(t.Context(), results.Filter{Function: "aes-go"})
	require.NoError(t, err)
	for _, k := range keys {
		samples, err := b.store.Samples(t.Context(), k.Key)
		require.NoError(t, err)
		for n, sample := range samples {
			require.Equal(t, n, sample.N, k.Key)
		}
		require.Len(t, samples, 5)
	}
	b.cells(t)
	_, err = fill(9, "aes-goo", "fibonacci-go", "auth-gooo")
	require.ErrorContains(t, err, "did you mean aes-go")
	require.ErrorContains(t, err, "auth-gooo")
	require.Empty(t, b.cells(t), "nothing of a campaign with a mistake")
}

func TestPrecisionInWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]sampling.Goal{
		"p99:5%": {Relative: .05}, "mean:.2": {Relative: .2}, "p99.9:0.1%": {Relative: .001},
	} {
		p, err := parsePrecision(text, time.Minute)
		require.NoError(t, err, text)
		want.Budget = time.Minute
		require.InDelta(t, want.Relative, p.goal.Relative, 1e-12)
		require.Equal(t, want.Budget, p.goal.Budget)
		require.Equal(t, text[:strings.Index(text, ":")], p.number)
	}
	for _, text := range []string{"", "p99", ":5%", "p99:", "p99:0%", "p99:100%", "p99:-5%", "p99:x", "p99:5%:2"} {
		_, err := parsePrecision(text, 0)
		require.ErrorContains(t, err, fmt.Sprintf("--precision %q: want a number and the half-width", text))
		require.ErrorAs(t, err, new(usageError))
	}
	_, err := parsePrecision("x", -1)
	require.ErrorContains(t, err, "--precision")
	require.ErrorContains(t, err, "--budget -1ns: want a time above 0")
}

// ahead is shared with its samples measured ahead.
func ahead(t *testing.T) *scenario.Scenario {
	t.Helper()
	s, err := parsed(t, shared).Override(scenario.Setting{Path: "execution.source", Value: "ahead"}, scenario.Setting{Path: "execution.samples", Value: "5"})
	require.NoError(t, err)
	return s
}

// TestAPlanIsOrderedByWhatMatters: the shares of the variance fall and do not exceed
// the whole, and planning measures nothing more than what is there.
func TestAPlanIsOrderedByWhatMatters(t *testing.T) {
	t.Parallel()
	b := newBench(t, "ahead")
	p, err := parsePrecision("mean:5%", 0)
	require.NoError(t, err)
	require.NoError(t, b.app.refine(t.Context(), ahead(t), b.sources, p, true))
	require.Contains(t, b.log.String(), "CELL")
	require.Contains(t, b.log.String(), "mean by the samples there are: ")
	b.cells(t)
	b.log.Reset()
	b.app.json = true
	require.NoError(t, b.app.refine(t.Context(), ahead(t), b.sources, p, true))
	require.Empty(t, b.cells(t), "a plan over what was measured measures nothing")
	var lines []plannedCell
	requireJSON(t, b.log.String(), &lines)
	require.NotEmpty(t, lines)
	total := 0.0
	for i, l := range lines {
		total += l.Share
		require.Equal(t, 5, l.Samples, l.Cell)
		if i > 0 {
			require.LessOrEqual(t, l.Share, lines[i-1].Share)
		}
		_, err := time.ParseDuration(l.Cost)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, total, 1+1e-9)
}

// TestMoreIsMeasuredUnderTheNextNumbers of the cells that a study wants more of, and
// a round of which nothing counts is an error.
func TestMoreIsMeasuredUnderTheNextNumbers(t *testing.T) {
	t.Parallel()
	b := newBench(t, "ahead")
	warm := servicetime.Condition{Kind: servicetime.Warm}
	_, err := b.sources.fill(t.Context(), "default", []string{"aes-go"}, []servicetime.Condition{warm})
	require.NoError(t, err)
	b.cells(t)
	wanted := experiment.Wanted{Count: 3}
	wanted.Cell.Request = servicetime.Request{Function: "aes-go", Input: "default", Platform: abacusPlatform}
	wanted.Cell.Condition = warm
	require.NoError(t, b.sources.measureMore(t.Context(), []experiment.Wanted{wanted}))
	require.Equal(t, []string{"aes-go/default warm"}, b.cells(t))
	key, err := b.sources.measurer.key("aes-go", "default", warm)
	require.NoError(t, err)
	next, err := b.store.NextN(t.Context(), key)
	require.NoError(t, err)
	require.Equal(t, 8, next)
	wanted.Count = 0
	require.ErrorContains(t, b.sources.measureMore(t.Context(), []experiment.Wanted{wanted}), "no valid sample came of a round")
	wanted.Cell.Request.Function = "aes-goo"
	require.ErrorContains(t, b.sources.measureMore(t.Context(), []experiment.Wanted{wanted}), "did you mean aes-go")
}

// TestWhoMeasuresIsToldByNameAndPlatform.
func TestWhoMeasuresIsToldByNameAndPlatform(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	plugin := t.TempDir() + "/plugin"
	require.NoError(t, os.WriteFile(plugin, nil, 0o700))
	for situation, c := range map[string]struct {
		campaign campaign
		want     []string
	}{
		"nobody is named":              {campaign{}, []string{self, "bridge", "host"}},
		"a platform of gem5":           {campaign{platform: "skylake-x86"}, []string{self, "bridge", "gem5"}},
		"the host, on a gem5 platform": {campaign{backend: "host", platform: "skylake-x86"}, []string{self, "bridge", "host"}},
		"gem5, without a platform":     {campaign{backend: "gem5"}, []string{self, "bridge", "gem5"}},
		"a plugin":                     {campaign{backend: plugin, platform: "skylake-x86"}, []string{plugin}},
	} {
		got, err := backendCommand(c.campaign)
		require.NoError(t, err, situation)
		require.Equal(t, c.want, got, situation)
	}
	_, err = backendCommand(campaign{backend: plugin + "s"})
	require.ErrorAs(t, err, new(usageError))
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestAPlatformIsChosenWhereThereIsAChoice(t *testing.T) {
	t.Parallel()
	one, two := gem5bridge.Platform{Name: "one"}, gem5bridge.Platform{Name: "two"}
	both := gem5bridge.Description{Backend: "b", Platforms: []gem5bridge.Platform{one, two}}
	got, err := choosePlatform(both, "two")
	require.NoError(t, err)
	require.Equal(t, two, got)
	got, err = choosePlatform(gem5bridge.Description{Platforms: []gem5bridge.Platform{one}}, "")
	require.NoError(t, err)
	require.Equal(t, one, got)
	for _, wanted := range []string{"", "three"} {
		_, err := choosePlatform(both, wanted)
		require.ErrorContains(t, err, fmt.Sprintf("platform %q: the back end b has one, two", wanted))
		require.ErrorAs(t, err, new(usageError))
	}
}

func TestEveryConditionThatIsNoneIsNamed(t *testing.T) {
	t.Parallel()
	got, err := parseConditions([]string{"warm", " lukewarm:4 ", "stage:init"})
	require.NoError(t, err)
	require.Equal(t, []servicetime.Condition{{Kind: servicetime.Warm}, servicetime.LukewarmAfter(4), {Kind: servicetime.StageInit}}, got)
	_, err = parseConditions([]string{"hot", "warm", "lukewarm:many", ""})
	for _, word := range []string{`"hot"`, `"lukewarm:many"`, `""`} {
		require.ErrorContains(t, err, word)
	}
	all, err := parseConditions(strings.Split(defaultConditions, ","))
	require.NoError(t, err)
	require.Len(t, all, 9, "the default is one that can be read")
}
