package samplefile_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/results/samplefile"
)

// TestTheOrderOfSamplesIsTotal: two samples compare as equal if, and only if, key
// and number are; the order is antisymmetric and transitive.
func TestTheOrderOfSamplesIsTotal(t *testing.T) {
	t.Parallel()
	numbered := rapid.Custom(func(t *rapid.T) servicetime.Sample {
		s := anySample.Draw(t, "sample")
		s.N = rapid.IntRange(0, 2).Draw(t, "n")
		return s
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := numbered.Draw(t, "a"), numbered.Draw(t, "b"), numbered.Draw(t, "c")
		if rapid.Bool().Draw(t, "alike") {
			b.Key, c.Key = a.Key, a.Key
			b.Key.Condition = rapid.SampledFrom([]servicetime.Condition{a.Key.Condition, servicetime.LukewarmAfter(2), {Kind: servicetime.Flush}}).Draw(t, "condition")
		}
		require.Equal(t, a.Key == b.Key && a.N == b.N, samplefile.Compare(a, b) == 0)
		require.Equal(t, a.Key == b.Key, samplefile.CompareKeys(a.Key, b.Key) == 0)
		require.Equal(t, -samplefile.Compare(b, a), samplefile.Compare(a, b))
		if samplefile.Compare(a, b) <= 0 && samplefile.Compare(b, c) <= 0 {
			require.LessOrEqual(t, samplefile.Compare(a, c), 0)
		}
	})
}

// TestConditionsStandAsASandboxMeetsThem.
func TestConditionsStandAsASandboxMeetsThem(t *testing.T) {
	t.Parallel()
	words := strings.Fields("stage:create stage:init cold warm lukewarm:1@a lukewarm:9@a lukewarm:1 lukewarm:2 lukewarm:10 flush flush:l1d flush:l1d+l1i stressor:2 stressor:10 stressor:64KiB")
	var want []servicetime.Condition
	for _, word := range words {
		c, err := servicetime.ParseCondition(word)
		require.NoError(t, err)
		want = append(want, c)
	}
	got := slices.Clone(want)
	slices.Reverse(got)
	slices.SortFunc(got, samplefile.CompareConditions)
	require.Equal(t, want, got, "by number, not by text; mixes stay together")
}

// TestAFieldFurtherFrontDecides: keys are ordered by function, input, platform,
// platform digest, image, stack and condition, whatever follows.
func TestAFieldFurtherFrontDecides(t *testing.T) {
	t.Parallel()
	fields := []func(*servicetime.Key, string){
		func(k *servicetime.Key, v string) { k.Function = v },
		func(k *servicetime.Key, v string) { k.Input = v },
		func(k *servicetime.Key, v string) { k.Platform = v },
		func(k *servicetime.Key, v string) { k.PlatformDigest = v },
		func(k *servicetime.Key, v string) { k.Image = v },
		func(k *servicetime.Key, v string) { k.Stack = v },
	}
	for first := range fields {
		a, b := sample(0).Key, sample(0).Key
		for i, set := range fields[first:] {
			// a is smaller in the first of the fields and larger in all others.
			set(&a, []string{"1", "2"}[min(i, 1)])
			set(&b, []string{"2", "1"}[min(i, 1)])
		}
		a.Condition, b.Condition = servicetime.Condition{Kind: servicetime.Flush}, servicetime.Condition{Kind: servicetime.Cold}
		require.Negative(t, samplefile.CompareKeys(a, b), "field %d", first)
		require.Positive(t, samplefile.CompareKeys(b, a), "field %d", first)
	}
}

// TestSplitLosesAndInventsNothing: each sample is in one file, files hold one
// function, input, platform and stack each, and neither names nor contents depend
// on the order of the samples.
func TestSplitLosesAndInventsNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		samples := anySamples(t)
		files := samplefile.Split(samples)
		require.Equal(t, files, samplefile.Split(rapid.Permutation(samples).Draw(t, "order")))
		require.True(t, slices.IsSortedFunc(files, func(a, b samplefile.File) int { return cmp.Compare(a.Name, b.Name) }))
		var all []servicetime.Sample
		for _, f := range files {
			first := f.Samples[0].Key
			for _, s := range f.Samples {
				first.Condition = s.Key.Condition
				require.Equal(t, first, s.Key, "one file, one key but for the condition")
			}
			all = append(all, f.Samples...)
		}
		slices.SortFunc(all, samplefile.Compare)
		require.Equal(t, samples, all)
	})
}

// TestNamesOfFilesSayWhatTheyHold: from the name alone follow platform, function
// and input where these have plain names, and no name climbs out of its folder.
func TestNamesOfFilesSayWhatTheyHold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ platform, function, input, want string }{
		{"skylake-x86", "fibonacci-go", "default", "skylake-x86/fibonacci-go.default.csv"},
		{"p.1", "f.2", "i.3", "p.1/f.2.i.3.csv"},
		{"..", "..", "..", "%2E./%2E..%2E..csv"},
		{".", "/etc/passwd", "a\\b", "%2E/%2Fetc%2Fpasswd.a%5Cb.csv"},
		{"a b", "100%", "x%41", "a%20b/100%25.x%2541.csv"},
		{"漢", "é", "*?:", "%E6%BC%A2/%C3%A9.%2A%3F%3A.csv"},
		{"-", "--help", "-rf", "-/--help.-rf.csv"},
	} {
		s := sample(0)
		s.Key.Platform, s.Key.Function, s.Key.Input = c.platform, c.function, c.input
		files := samplefile.Split([]servicetime.Sample{s})
		require.Len(t, files, 1)
		require.Equal(t, c.want, files[0].Name)
	}
	// Dots inside names make two pairs of function and input look alike.
	a, b := sample(0), sample(0)
	a.Key.Function, a.Key.Input = "f.x", "y"
	b.Key.Function, b.Key.Input = "f", "x.y"
	files := samplefile.Split([]servicetime.Sample{a, b})
	require.Len(t, files, 2)
	require.NotEqual(t, files[0].Name, files[1].Name)
	for _, f := range files {
		require.Regexp(t, `^host-test/f\.x\.y\.[0-9a-f]{8}\.csv$`, f.Name)
	}
	require.Empty(t, samplefile.Split(nil))
}
