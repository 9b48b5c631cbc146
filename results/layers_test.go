package results_test

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
	"microcosm/results/samplefile"
)

// layered is what a store of several layers is to hold, as plain maps.
type layered struct {
	own         map[numbered]servicetime.Sample
	collections []*shelf                 // oldest first
	keys        map[servicetime.Key]bool // that have a row, used or not
}

type shelf struct {
	name, digest string
	samples      map[numbered]servicetime.Sample
}

// few draws samples of few keys and numbers, in two versions, so that they meet.
func few(r *rand.Rand, n int) []servicetime.Sample {
	pick := func(words ...string) string { return words[r.IntN(len(words))] }
	list := make([]servicetime.Sample, n)
	for i := range list {
		condition, err := servicetime.ParseCondition(pick("warm", "flush"))
		if err != nil {
			panic(err) // the test's own words
		}
		list[i] = sample(key(func(k *servicetime.Key) {
			k.Function, k.Image, k.Stack, k.Condition = pick("f", "f", "g"), pick("i", "i", "j"), pick("s", "t"), condition
		}), r.IntN(3))
		if r.IntN(6) == 0 {
			list[i].RoundTrip += 7
		}
		if r.IntN(5) == 0 {
			list[i].Status, list[i].Reason = servicetime.Censored, "hung"
		}
	}
	return list
}

// into adds samples to a layer, or reports that they contradict it or each other.
func into(layer map[numbered]servicetime.Sample, list []servicetime.Sample) (merged map[numbered]servicetime.Sample, conflicts int) {
	merged = maps.Clone(layer)
	for _, s := range list {
		id := numbered{s.Key, s.N}
		if old, there := merged[id]; !there {
			merged[id] = s
		} else if results.Digest(old) != results.Digest(s) {
			conflicts++
		}
	}
	return merged, conflicts
}

// pick returns what a filter picks.
func (l *layered) pick(f results.Filter) []servicetime.Sample {
	seen := map[numbered]servicetime.Sample{}
	add := func(layer map[numbered]servicetime.Sample) {
		for id, s := range layer {
			if _, hidden := seen[id]; !hidden {
				seen[id] = s
			}
		}
	}
	if f.Collection == "" {
		add(l.own)
	}
	for _, c := range l.collections {
		if !f.Own && (f.Collection == "" || f.Collection == c.name) {
			add(c.samples)
		}
	}
	list := []servicetime.Sample{}
	for _, s := range seen {
		fits := func(want, got string) bool { return want == "" || want == got }
		if fits(f.Function, s.Key.Function) && fits(f.Image, s.Key.Image) && fits(f.Stack, s.Key.Stack) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, samplefile.Compare)
	return list
}

// TestLayersAgainstPlainMaps: whatever is put, collected, replaced and removed, in
// any order, every filter and every selection answers as the maps do.
func TestLayersAgainstPlainMaps(t *testing.T) {
	t.Parallel()
	for seed := range uint64(8) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			m := &layers{
				t: t, r: rand.New(rand.NewPCG(seed, 5)), s: open(t),
				want: layered{own: map[numbered]servicetime.Sample{}, keys: map[servicetime.Key]bool{}},
			}
			for range 25 {
				[]func(){m.put, m.put, m.collect, m.collect, m.remove}[m.r.IntN(5)]()
				m.check()
			}
			requireSound(t, m.s)
		})
	}
}

// layers drives a store and its model.
type layers struct {
	t    *testing.T
	r    *rand.Rand
	s    *results.Store
	want layered
}

func (m *layers) put() {
	list := few(m.r, m.r.IntN(6))
	merged, conflicts := into(m.want.own, list)
	err := m.s.Put(m.t.Context(), list...)
	if m.refused(err, conflicts) {
		return
	}
	m.want.own = merged
	m.remember(list)
}

func (m *layers) collect() {
	name, digest, list := []string{"a", "b", "c"}[m.r.IntN(3)], fmt.Sprint("d", m.r.IntN(3)), few(m.r, m.r.IntN(6))
	at := slices.IndexFunc(m.want.collections, func(c *shelf) bool { return c.name == name })
	err := m.s.PutCollection(m.t.Context(), name, digest, list)
	if at >= 0 && m.want.collections[at].digest == digest {
		require.NoError(m.t, err, "the same digest: nothing happens, whatever is given")
		return
	}
	samples, conflicts := into(map[numbered]servicetime.Sample{}, list)
	if m.refused(err, conflicts) {
		return
	}
	if at < 0 {
		m.want.collections = append(m.want.collections, &shelf{name: name})
		at = len(m.want.collections) - 1
	}
	m.want.collections[at].digest, m.want.collections[at].samples = digest, samples
	m.remember(list)
}

func (m *layers) refused(err error, conflicts int) bool {
	if conflicts == 0 {
		require.NoError(m.t, err)
		return false
	}
	var conflict *results.ConflictError
	require.ErrorAs(m.t, err, &conflict)
	require.Len(m.t, conflict.Conflicts, conflicts)
	return true
}

func (m *layers) remember(list []servicetime.Sample) {
	for _, s := range list {
		m.want.keys[s.Key] = true
	}
}

// remove collects garbage, first as a dry run, which must say the same and change
// nothing.
func (m *layers) remove() {
	var policy results.Policy
	if m.r.IntN(2) == 0 {
		policy.KeepStacks = [][]string{{"s"}, {"t"}, {"s", "t"}, {"none"}}[m.r.IntN(4)]
	}
	gone := map[string]int{}
	left := layered{own: map[numbered]servicetime.Sample{}, keys: map[servicetime.Key]bool{}}
	for id, s := range m.want.own {
		if policy.KeepStacks == nil || slices.Contains(policy.KeepStacks, s.Key.Stack) {
			left.own[id] = s
		} else {
			gone[s.Key.Stack]++
		}
	}
	for _, c := range m.want.collections {
		if m.r.IntN(4) > 0 {
			left.collections = append(left.collections, c)
			continue
		}
		policy.DropCollections = append(policy.DropCollections, c.name)
		for _, s := range c.samples {
			gone[s.Key.Stack]++
		}
	}
	for _, layer := range append([]*shelf{{samples: left.own}}, left.collections...) {
		for id := range layer.samples {
			left.keys[id.key] = true
		}
	}
	var stacks []results.StackCount
	for _, stack := range slices.Sorted(maps.Keys(gone)) {
		stacks = append(stacks, results.StackCount{Stack: stack, Samples: gone[stack]})
	}
	policy.DryRun = true
	planned, err := m.s.GC(m.t.Context(), policy)
	require.NoError(m.t, err)
	m.check()
	policy.DryRun = false
	done, err := m.s.GC(m.t.Context(), policy)
	require.NoError(m.t, err)
	require.Equal(m.t, stacks, done.Stacks)
	require.Equal(m.t, stacks, planned.Stacks)
	require.Equal(m.t, len(m.want.keys)-len(left.keys), done.Keys)
	require.Equal(m.t, planned.Keys, done.Keys)
	require.Equal(m.t, planned.Provenance, done.Provenance)
	m.want = left
}

// check compares filters, numbers, collections and one selection.
func (m *layers) check() {
	ctx := m.t.Context()
	filters := []results.Filter{{}, {Own: true}, {Function: "f", Stack: "s"}, {Image: "j"}, {Own: true, Stack: "t"}, {Collection: "nobody's"}}
	var collections []results.Collection
	for _, c := range m.want.collections {
		filters = append(filters, results.Filter{Collection: c.name}, results.Filter{Collection: c.name, Function: "f", Image: "i"})
		collections = append(collections, results.Collection{Name: c.name, Digest: c.digest, Samples: len(c.samples)})
	}
	for _, f := range filters {
		got, err := m.s.Pick(ctx, f)
		require.NoError(m.t, err)
		slices.SortFunc(got, samplefile.Compare)
		require.Equal(m.t, m.want.pick(f), got, "%+v", f)
	}
	slices.SortFunc(collections, func(a, b results.Collection) int { return cmp.Compare(a.Name, b.Name) })
	got, err := m.s.Collections(ctx)
	require.NoError(m.t, err)
	require.Equal(m.t, collections, got)

	k := few(m.r, 1)[0].Key
	next := 0
	for _, layer := range append([]*shelf{{samples: m.want.own}}, m.want.collections...) {
		for id := range layer.samples {
			if id.key == k {
				next = max(next, id.n+1)
			}
		}
	}
	n, err := m.s.NextN(ctx, k)
	require.NoError(m.t, err)
	require.Equal(m.t, next, n)
	m.selects()
}

// selects asks for what answers a request under a drawn selection. Never may
// anything answer that was not selected, nor two stacks at once.
func (m *layers) selects() {
	stacks := []string{"", "s", "t", "none"}
	for _, c := range m.want.collections {
		stacks = append(stacks, c.name, results.Label(c.name, c.digest))
	}
	selection := results.Selection{
		Image: []string{"", "i", "j", "other"}[m.r.IntN(4)], Stack: stacks[m.r.IntN(len(stacks))], Own: m.r.IntN(3) == 0,
	}
	filter := results.Filter{Function: "f", Image: selection.Image, Stack: selection.Stack, Own: selection.Own}
	label := ""
	for _, c := range m.want.collections {
		if full := results.Label(c.name, c.digest); selection.Stack == c.name || selection.Stack == full {
			filter.Stack, filter.Collection, label = "", c.name, full
		}
	}
	if label != "" && selection.Own {
		return // a contradiction, which no caller makes
	}
	candidates := m.want.pick(filter)
	type stack struct{ image, stack string }
	valid := map[stack]bool{}
	for _, s := range candidates {
		if s.Status == servicetime.Valid {
			valid[stack{s.Key.Image, s.Key.Stack}] = true
		}
	}
	got, err := m.s.Select(m.t.Context(), servicetime.Request{Function: "f", Input: "default", Platform: "host-test"}, selection)
	switch len(valid) {
	case 0:
		require.ErrorIs(m.t, err, servicetime.ErrNotSampled, "%+v", selection)
	case 1:
		require.NoError(m.t, err)
		want := slices.DeleteFunc(candidates, func(s servicetime.Sample) bool { return !valid[stack{s.Key.Image, s.Key.Stack}] })
		slices.SortFunc(got.Samples, samplefile.Compare)
		require.Equal(m.t, want, got.Samples, "%+v", selection)
		require.Equal(m.t, cmp.Or(label, want[0].Key.Stack), got.Label)
	default:
		var ambiguous *results.AmbiguousError
		require.ErrorAs(m.t, err, &ambiguous, "%+v", selection)
		require.Len(m.t, ambiguous.Found, len(valid))
	}
}

// TestMergingIsAUnion: whatever two stores and a third one hold, merging is
// commutative, associative and idempotent where nothing contradicts; and where
// something does, both directions say so and change nothing.
func TestMergingIsAUnion(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 6))
			var parts [3]map[numbered]servicetime.Sample
			store := func(part map[numbered]servicetime.Sample) *results.Store {
				s := open(t)
				require.NoError(t, s.Put(ctx, slices.Collect(maps.Values(part))...))
				return s
			}
			for i := range parts {
				parts[i], _ = into(map[numbered]servicetime.Sample{}, few(r, 8))
			}
			union, conflicts := into(parts[0], slices.Collect(maps.Values(parts[1])))
			a, b := store(parts[0]), store(parts[1])
			if conflicts > 0 {
				for _, pair := range [][2]*results.Store{{a, b}, {b, a}} {
					before, err := pair[0].Pick(ctx, results.Filter{})
					require.NoError(t, err)
					_, err = pair[0].Merge(ctx, pair[1])
					var conflict *results.ConflictError
					require.ErrorAs(t, err, &conflict)
					require.Len(t, conflict.Conflicts, conflicts)
					after, err := pair[0].Pick(ctx, results.Filter{})
					require.NoError(t, err)
					require.Equal(t, before, after)
				}
				return
			}
			ab, ba := store(parts[0]), store(parts[1])
			tally, err := ab.Merge(ctx, b)
			require.NoError(t, err)
			require.Equal(t, results.Tally{Added: len(union) - len(parts[0]), Present: len(parts[0]) + len(parts[1]) - len(union)}, tally)
			_, err = ba.Merge(ctx, a)
			require.NoError(t, err)
			requireSameSamples(t, ab, ba)
			again, err := ab.Merge(ctx, b)
			require.NoError(t, err)
			require.Equal(t, results.Tally{Present: len(parts[1])}, again)

			all, conflicts := into(union, slices.Collect(maps.Values(parts[2])))
			if conflicts > 0 {
				return
			}
			c, bc := store(parts[2]), store(parts[1])
			_, err = bc.Merge(ctx, c)
			require.NoError(t, err)
			_, err = a.Merge(ctx, bc) // a + (b + c)
			require.NoError(t, err)
			_, err = ab.Merge(ctx, c) // (a + b) + c
			require.NoError(t, err)
			requireSameSamples(t, a, ab)
			got, err := a.Pick(ctx, results.Filter{})
			require.NoError(t, err)
			require.Len(t, got, len(all))
		})
	}
}
