package results_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/results"
)

func TestVerifyListsEverything(t *testing.T) {
	t.Parallel()
	path := filled(t)
	s, err := results.Open(t.Context(), path, results.Options{})
	require.NoError(t, err)
	other := sample(key(nil), 300)
	other.Provenance.SimulatorDigest = "sha256:rebuilt"
	require.NoError(t, s.Put(t.Context(), other))
	_, err = s.PutRun(t.Context(), results.Run{Scenario: "s", Result: []byte("{}")})
	require.NoError(t, err)
	require.NoError(t, s.Close())
	query(t, path,
		"UPDATE samples SET busy = busy + 1 WHERE n = 3",
		"UPDATE samples SET round_trip = 9223372036854775807 WHERE n = 4",
		"UPDATE runs SET result = '[]'",
		"INSERT INTO counters VALUES (9999, 'cycles', 1)",
		"INSERT INTO keys SELECT 77, 'x' || substr(digest, 2), function || 'x', image, input, platform, platform_digest, condition, stack FROM keys",
	)
	found, err := openAt(t, path, results.Options{ReadOnly: true}).Verify(t.Context())
	require.NoError(t, err)
	var lines []string
	for _, f := range found {
		lines = append(lines, f.String())
	}
	require.Len(t, lines, 7, lines)
	for i, want := range []string{
		"damage: a row of counters refers to a missing row of samples",
		"damage: key fibonacci-gox/default warm on host-test does not match its digest",
		"damage: sample 3 of fibonacci-go/default warm on host-test in row 4 does not match",
		"damage: sample 4 of fibonacci-go/default warm on host-test in row 5 does not match",
		"damage: the result of run 1 does not match",
		"note: the samples of fibonacci-go/default warm on host-test stem from 2 simulator binaries: sha256:4444, sha256:rebuilt",
		"note: 1 rows of keys are no longer used",
	} {
		require.Contains(t, lines[i], want)
	}
}

func TestVerifyFindsDamagedPages(t *testing.T) {
	t.Parallel()
	path := filled(t)
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	// Nothing before the middle is needed to open the store.
	for i := len(data) / 2; i < len(data)/2+3000; i++ {
		data[i] ^= 0x5a
	}
	write(t, path, string(data))
	found, err := openAt(t, path, results.Options{ReadOnly: true}).Verify(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, found)
	require.True(t, found[0].Damage)
}

func TestVerifyOfASoundStoreFindsNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	require.NoError(t, s.Put(t.Context(), varied()[:21]...))
	require.NoError(t, s.PutCollection(t.Context(), "recorded", "d", varied()[:2]))
	found, err := s.Verify(t.Context())
	require.NoError(t, err)
	require.Empty(t, found)
}
