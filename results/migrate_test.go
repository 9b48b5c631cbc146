package results_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/servicetime"
	"microcosm/results"
	"microcosm/results/samplefile"
)

// olderSchemas are the schema versions before the newest, each with a store
// dumped as a program of that version left it.
var olderSchemas = []int{1, 2, 3, 4}

// older rebuilds the dumped store of a schema version.
func older(t testing.TB, schema int) string {
	t.Helper()
	dump, err := os.ReadFile(filepath.Join("testdata", fmt.Sprintf("schema-%d.sql", schema)))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "store.db")
	query(t, path, string(dump), "PRAGMA journal_mode = WAL")
	return path
}

// dumped returns the samples that every dumped store holds.
func dumped() (warm, censored []servicetime.Sample) {
	hung := sample(key(func(k *servicetime.Key) { k.Condition = servicetime.LukewarmAfter(4) }), 0)
	hung.Status, hung.Reason = servicetime.Censored, "hung\nfor good"
	return many(key(nil), 4), []servicetime.Sample{hung}
}

func TestEveryOlderSchemaHasItsDump(t *testing.T) {
	t.Parallel()
	scripts, err := filepath.Glob("migrations/*.sql")
	require.NoError(t, err)
	require.Len(t, olderSchemas, len(scripts)-1, "a new migration needs a dump of the schema before it in testdata")
}

func TestAnOlderStoreIsBroughtToTheNewestSchema(t *testing.T) {
	t.Parallel()
	warm, censored := dumped()
	for _, schema := range olderSchemas {
		t.Run(fmt.Sprint(schema), func(t *testing.T) {
			t.Parallel()
			ctx := t.Context()
			s := openAt(t, older(t, schema), results.Options{MustExist: true})
			got, err := s.Samples(ctx, warm[0].Key)
			require.NoError(t, err)
			require.Equal(t, warm, got)
			got, err = s.Samples(ctx, censored[0].Key)
			require.NoError(t, err)
			require.Equal(t, censored, got)
			requireSound(t, s)

			require.NoError(t, s.Put(ctx, warm...), "the samples are still known")
			require.NoError(t, s.PutCollection(ctx, "recorded", "d2", warm[:1]))
			_, err = s.PutRun(ctx, results.Run{Scenario: "s", Result: []byte("{}")})
			require.NoError(t, err)
		})
	}
}

// TestMembersOfCollectionsMoveToTheirLayers: the dump of schema 3 has samples 0
// and 1 stored before the collection recorded of 0, 1 and 2 came in, and then the
// collection other of 2 and 3.
func TestMembersOfCollectionsMoveToTheirLayers(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	warm, censored := dumped()
	s := openAt(t, older(t, 3), results.Options{MustExist: true})
	for filter, want := range map[results.Filter][]servicetime.Sample{
		{}:                       append(censored[:1:1], warm...),
		{Own: true}:              append(censored[:1:1], warm[:2]...),
		{Collection: "recorded"}: warm[:3],
		{Collection: "other"}:    warm[2:],
	} {
		got, err := s.Pick(ctx, filter)
		require.NoError(t, err)
		slices.SortFunc(got, samplefile.Compare)
		slices.SortFunc(want, samplefile.Compare)
		require.Equal(t, want, got, filter)
	}
	list, err := s.Collections(ctx)
	require.NoError(t, err)
	require.Equal(t, []results.Collection{{Name: "other", Digest: "x", Samples: 2}, {Name: "recorded", Digest: "d1", Samples: 3}}, list)
	requireSound(t, s)
	_, err = s.GC(ctx, results.Policy{DropCollections: []string{"recorded", "other"}})
	require.NoError(t, err)
	require.Equal(t, []int{0, 1}, numbers(t, s))
}

// TestARunOfAnOlderStoreIsStillServed, though no digest covers what its row says, and
// is covered once it is merged into another.
func TestARunOfAnOlderStoreIsStillServed(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for _, schema := range []int{3, 4} {
		path := older(t, schema)
		s := openAt(t, path, results.Options{MustExist: true})
		run, err := s.Run(ctx, 1)
		require.NoError(t, err)
		require.Equal(t, "old", run.Name)
		other := filepath.Join(t.TempDir(), "other.db")
		into := openAt(t, other, results.Options{})
		tally, err := into.Merge(ctx, s)
		require.NoError(t, err)
		require.Equal(t, 1, tally.Runs)
		requireSound(t, into)
		query(t, path, "UPDATE runs SET host = 'elsewhere'")
		requireSound(t, s)
		query(t, other, "UPDATE runs SET host = 'elsewhere'")
		found, err := into.Verify(ctx)
		require.NoError(t, err)
		require.Equal(t, []results.Finding{{Damage: true, What: "what the store says of run 1 does not match its digest"}}, found)
	}
}

func TestAnOlderStoreCannotBeReadWithoutMigration(t *testing.T) {
	t.Parallel()
	for _, schema := range olderSchemas {
		path := older(t, schema)
		before := contents(t, filepath.Dir(path))
		_, err := results.Open(t.Context(), path, results.Options{ReadOnly: true})
		var version *results.VersionError
		require.ErrorAs(t, err, &version)
		require.EqualValues(t, schema, version.Found)
		require.ErrorContains(t, err, "open it once for writing")
		require.Equal(t, before, contents(t, filepath.Dir(path)))
	}
}

func TestProcessesMigrateAtTheSameTime(t *testing.T) {
	t.Parallel()
	path := older(t, 1)
	var wait []func()
	for range 4 {
		wait = append(wait, start(t, "open", path))
	}
	for _, w := range wait {
		w()
	}
	warm, _ := dumped()
	s := openAt(t, path, results.Options{ReadOnly: true})
	got, err := s.Samples(t.Context(), warm[0].Key)
	require.NoError(t, err)
	require.Equal(t, warm, got)
}
