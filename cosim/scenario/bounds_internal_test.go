package scenario

import (
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// beyond returns the nearest texts within a bound and outside of it.
func beyond(f field, bound string, sign float64) (inside, outside string) {
	kind := f.kind
	if kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	v := reflect.New(kind).Elem()
	if err := parseScalar(v, &node{kind: standardKind(v, field{standard: bound}), text: bound}, ""); err != nil {
		return bound, err.Error()
	}
	next := reflect.New(kind).Elem()
	if v.CanFloat() {
		next.SetFloat(math.Nextafter(v.Float(), sign*math.Inf(1)))
	} else {
		next.SetInt(v.Int() + int64(sign))
	}
	return format(field{}, v), format(field{}, next)
}

// TestEveryKeyKeepsItsBounds: the bound itself is no mistake, the next value beyond
// it is one, and the message says what is wanted.
func TestEveryKeyKeepsItsBounds(t *testing.T) {
	t.Parallel()
	tried := map[string]bool{}
	scenarios := rapid.Custom(drawScenario)
	for seed := range 8 {
		s := parsed(t, scenarios.Example(seed).Canonical())
		for _, path := range leaves("", s.origin.root) {
			f, steps, err := scalarAt(path)
			require.NoError(t, err, path)
			key := f.key + " " + f.bounds
			if f.bounds == "" || tried[key] {
				continue
			}
			tried[key] = true
			low, high, _ := strings.Cut(f.bounds, "..")
			for bound, sign := range map[string]float64{low: -1, high: 1} {
				if bound == "" {
					continue
				}
				inside, outside := beyond(f, bound, sign)
				require.Empty(t, outOfRange(t, s, steps, path, inside), "%s: %s", path, inside)
				said := outOfRange(t, s, steps, path, outside)
				require.Contains(t, said, outside+" is out of range: want ", path)
				require.Contains(t, said, bound, path)
			}
		}
	}
	require.Greater(t, len(tried), 60, slices.Sorted(maps.Keys(tried)))
}

// outOfRange returns what is said about the range of a value.
func outOfRange(t *testing.T, s *Scenario, steps []step, path, text string) string {
	f, _, err := scalarAt(path)
	require.NoError(t, err)
	root, err := s.origin.root.with(steps, scalar(f, text, s.origin.root.at))
	require.NoError(t, err)
	_, mistakes := s.origin.read(root)
	for _, m := range mistakes {
		if m.Key == path && strings.Contains(m.Problem, "out of range: want") {
			return m.Problem
		}
	}
	return ""
}
