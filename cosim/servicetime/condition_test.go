package servicetime_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
)

func TestConditionsTravelAsWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want servicetime.Condition
	}{
		{"cold", servicetime.Condition{Kind: servicetime.Cold}},
		{"warm", servicetime.Condition{Kind: servicetime.Warm}},
		{"flush", servicetime.Condition{Kind: servicetime.Flush}},
		{"stage:create", servicetime.Condition{Kind: servicetime.StageCreate}},
		{"stage:init", servicetime.Condition{Kind: servicetime.StageInit}},
		{"lukewarm:4", servicetime.LukewarmAfter(4)},
		{"lukewarm:16@browse", servicetime.Condition{Kind: servicetime.Lukewarm, K: 16, Mix: "browse"}},
		{"flush:l1i+l1d", servicetime.Condition{Kind: servicetime.FlushStructure, Structures: "l1i+l1d"}},
		{"stressor:65536", servicetime.Condition{Kind: servicetime.Stressor, Bytes: 65536}},
	} {
		got, err := servicetime.ParseCondition(c.text)
		require.NoError(t, err)
		require.Equal(t, c.want, got)
		require.Equal(t, c.text, got.String())
	}
}

func TestConditionsHaveOneSpelling(t *testing.T) {
	t.Parallel()
	for text, same := range map[string]string{
		"lukewarm:0":         "warm",
		"lukewarm:4@catalog": "lukewarm:4",
		"stressor:64KiB":     "stressor:65536",
	} {
		a, err := servicetime.ParseCondition(text)
		require.NoError(t, err)
		b, err := servicetime.ParseCondition(same)
		require.NoError(t, err)
		require.Equal(t, b, a)
	}
}

func TestBadConditionsAreRefused(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "hot", "lukewarm", "lukewarm:", "lukewarm:-1", "lukewarm:1.5", "lukewarm:99999999999", "lukewarm:4@", "lukewarm:4@a b",
		"flush:", "flush:a;b", "stressor:0", "stressor:-5", "stressor:9999999999GiB", "stressor:1kB", "stage:destroy", "invalid",
	} {
		_, err := servicetime.ParseCondition(text)
		require.Error(t, err, text)
	}
}

func FuzzParseCondition(f *testing.F) {
	for _, text := range []string{"cold", "lukewarm:4@mix", "flush:btb", "stressor:1MiB", "stage:init"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		c, err := servicetime.ParseCondition(text)
		if err != nil {
			return
		}
		again, err := servicetime.ParseCondition(c.String())
		require.NoError(t, err)
		require.Equal(t, c, again)
	})
}

func TestDepthRunsFromWarmToFlush(t *testing.T) {
	t.Parallel()
	depth := func(text string) float64 {
		c, err := servicetime.ParseCondition(text)
		require.NoError(t, err)
		d, ok := c.Depth(4)
		require.True(t, ok)
		return d
	}
	require.Zero(t, depth("warm"))
	require.Equal(t, .5, depth("lukewarm:4"), "k½ invocations take half")
	require.InDelta(t, .8, depth("lukewarm:16"), 1e-15)
	require.Equal(t, 1.0, depth("flush"))
	for _, text := range []string{"cold", "stage:init", "stressor:1", "flush:btb"} {
		c, err := servicetime.ParseCondition(text)
		require.NoError(t, err)
		_, ok := c.Depth(4)
		require.False(t, ok, "%s has no place on the axis", text)
	}
	require.InDelta(t, .6321205588285577, servicetime.DepthIdle(3, 3), 1e-15)
}
