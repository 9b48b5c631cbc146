package results_test

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/results"
	"microcosm/results/samplefile"
)

type numbered struct {
	key servicetime.Key
	n   int
}

var (
	words      = rapid.SampledFrom([]string{"a", "b", "A", "a ", "ä", "a,b", `"a"`, "a:b"})
	conditions = rapid.Custom(func(t *rapid.T) servicetime.Condition {
		c, err := servicetime.ParseCondition(rapid.SampledFrom([]string{
			"cold", "warm", "lukewarm:1", "lukewarm:12@mix", "flush", "flush:l1d", "stressor:65536", "stage:create", "stage:init",
		}).Draw(t, "condition"))
		if err != nil {
			t.Fatal(err)
		}
		return c
	})
	keys = rapid.Custom(func(t *rapid.T) servicetime.Key {
		return servicetime.Key{
			Function: words.Draw(t, "function"), Image: "i", Input: "default", Platform: words.Draw(t, "platform"),
			PlatformDigest: "p", Condition: conditions.Draw(t, "condition"), Stack: rapid.SampledFrom([]string{"s", "t"}).Draw(t, "stack"),
		}
	})
	ticks = rapid.Custom(func(t *rapid.T) servicetime.Ticks {
		return servicetime.Ticks(rapid.Int64Range(1, 1<<60).Draw(t, "ticks"))
	})
	samples = rapid.Custom(func(t *rapid.T) servicetime.Sample {
		s := servicetime.Sample{
			Key: keys.Draw(t, "key"), N: rapid.IntRange(0, 3).Draw(t, "n"), Seed: rapid.Uint64().Draw(t, "seed"),
			Status:    servicetime.Status(rapid.IntRange(int(servicetime.Valid), int(servicetime.Rejected)).Draw(t, "status")),
			RoundTrip: ticks.Draw(t, "round trip"), Null: ticks.Draw(t, "null"), Busy: ticks.Draw(t, "busy"),
			Counters: rapid.MapOfN(words, rapid.Int64(), 0, 3).Draw(t, "counters"),
			Provenance: servicetime.Provenance{
				Backend: words.Draw(t, "backend"), SimulatorDigest: "d", Boot: words.Draw(t, "boot"), Restore: words.Draw(t, "restore"), Host: words.Draw(t, "host"),
				Measured: time.Unix(rapid.Int64Range(0, 1<<34).Draw(t, "measured"), 0).UTC(), Cost: time.Duration(rapid.Int64Min(0).Draw(t, "cost")),
				Note: strings.ReplaceAll(rapid.String().Draw(t, "note"), "\x00", ""),
			},
		}
		if s.Status != servicetime.Valid {
			s.Reason = "because " + words.Draw(t, "reason")
		}
		// Two words are no names of counters.
		maps.DeleteFunc(s.Counters, func(name string, _ int64) bool { return strings.Contains(name, `"`) })
		if len(s.Counters) == 0 {
			s.Counters = nil
		}
		return s
	})
)

// TestStoreBehavesLikeAMap compares the store with a map from key and number to
// sample, whatever is stored, reopened, exported, imported and merged.
func TestStoreBehavesLikeAMap(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		path := filepath.Join(t.TempDir(), "store.db")
		m := &machine{t: t, path: path, want: map[numbered]servicetime.Sample{}}
		m.open(rt)
		defer func() { require.NoError(t, m.store.Close()) }()
		// Few steps: each check is a store of its own, with its files.
		for range rapid.IntRange(1, 6).Draw(rt, "steps") {
			step := rapid.SampledFrom([]string{"put", "put", "reopen", "exchange"}).Draw(rt, "step")
			map[string]func(*rapid.T){"put": m.put, "reopen": m.reopen, "exchange": m.exchange}[step](rt)
			m.check(rt)
		}
	})
}

type machine struct {
	t     *testing.T
	path  string
	store *results.Store
	want  map[numbered]servicetime.Sample
}

func (m *machine) open(rt *rapid.T) {
	var err error
	m.store, err = results.Open(m.t.Context(), m.path, results.Options{})
	require.NoError(rt, err)
}

// put stores a few samples, which the store takes if, and only if, none
// contradicts another.
func (m *machine) put(rt *rapid.T) {
	list := rapid.SliceOfN(samples, 0, 4).Draw(rt, "samples")
	if len(m.want) > 0 && rapid.Bool().Draw(rt, "repeat one") {
		for _, s := range m.want {
			list = append(list, s)
			break
		}
	}
	merged := maps.Clone(m.want)
	conflicts := 0
	for _, s := range list {
		id := numbered{s.Key, s.N}
		if old, there := merged[id]; !there {
			merged[id] = s
		} else if results.Digest(old) != results.Digest(s) {
			conflicts++
		}
	}
	err := m.store.Put(m.t.Context(), list...)
	if conflicts == 0 {
		require.NoError(rt, err)
		m.want = merged
		return
	}
	var conflict *results.ConflictError
	require.ErrorAs(rt, err, &conflict)
	require.Len(rt, conflict.Conflicts, conflicts)
}

// reopen closes the store and opens it again.
func (m *machine) reopen(rt *rapid.T) {
	require.NoError(rt, m.store.Close())
	m.open(rt)
}

// exchange moves everything through files into a new store.
func (m *machine) exchange(rt *rapid.T) {
	if len(m.want) == 0 {
		return
	}
	folder := m.t.TempDir()
	table := filepath.Join(folder, "all.parquet")
	_, err := m.store.Export(m.t.Context(), filepath.Join(folder, "text"), results.Filter{}, false)
	require.NoError(rt, err)
	_, err = m.store.ExportParquet(m.t.Context(), table, results.Filter{}, false)
	require.NoError(rt, err)
	require.NoError(rt, m.store.Close())
	m.path = filepath.Join(folder, "new.db")
	m.open(rt)
	tally, err := m.store.Import(m.t.Context(), filepath.Join(folder, "text"))
	require.NoError(rt, err)
	require.Equal(rt, len(m.want), tally.Added)
	tally, err = m.store.Import(m.t.Context(), table)
	require.NoError(rt, err)
	require.Equal(rt, len(m.want), tally.Present)
}

// check compares everything the store returns with the map.
func (m *machine) check(rt *rapid.T) {
	byKey := map[servicetime.Key][]servicetime.Sample{}
	for _, s := range m.want {
		byKey[s.Key] = append(byKey[s.Key], s)
	}
	anyKey := keys.Draw(rt, "any key") // most likely one that is not there
	byKey[anyKey] = append(byKey[anyKey], []servicetime.Sample{}...)
	for k, want := range byKey {
		slices.SortFunc(want, samplefile.Compare)
		got, err := m.store.Samples(m.t.Context(), k)
		require.NoError(rt, err)
		require.Equal(rt, append([]servicetime.Sample{}, want...), got)
		next := 0
		if len(want) > 0 {
			next = want[len(want)-1].N + 1
		}
		n, err := m.store.NextN(m.t.Context(), k)
		require.NoError(rt, err)
		require.Equal(rt, next, n)
	}
}
