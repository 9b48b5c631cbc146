package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/controlplane/knative"
)

// walkOf is a walk of so many calls at a time, observed once a second, of which every
// instant asks for a decision.
func walkOf(concurrency ...int) string {
	text := `{"settings": {"target-burst-capacity": "0"}, "container-concurrency": 1}` + "\n"
	for i, c := range concurrency {
		text += fmt.Sprintf(`{"at": %d, "stats": [{"concurrency": %d, "requests": %d}], "ready": 1, "decide": true}`+"\n", (i+1)*1_000_000_000, c, c)
	}
	return text
}

func decisions(t *testing.T, text string) (answers []knative.Answer) {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	for d.More() {
		var a knative.Answer
		require.NoError(t, d.Decode(&a))
		answers = append(answers, a)
	}
	return answers
}

// TestAWalkIsReplayedFromAnywhere: from standard input and from files, one decision a
// line in their order, and more calls never want fewer pods.
func TestAWalkIsReplayedFromAnywhere(t *testing.T) {
	workplace(t, map[string]string{"low.jsonl": walkOf(1, 1, 1), "high.jsonl": walkOf(9, 9, 9)})
	var out, errs bytes.Buffer
	require.Equal(t, exitOK, run([]string{"autoscale"}, strings.NewReader(walkOf(1, 1, 1)), &out, &errs), errs.String())
	low := decisions(t, out.String())
	require.Len(t, low, 3)
	text, _ := cosim(t, exitOK, "autoscale", "low.jsonl", "high.jsonl")
	both := decisions(t, text)
	require.Equal(t, low, both[:3])
	for i, high := range both[3:] {
		require.Equal(t, low[i].At, high.At)
		require.Greater(t, high.Desired, low[i].Desired)
	}
	text, _ = cosim(t, exitOK, "autoscale", "--check", "low.jsonl", "high.jsonl")
	require.Equal(t, "low.jsonl: 3 decisions, none differs from the walk\nhigh.jsonl: 3 decisions, none differs from the walk\n", text)
}

// TestAWalkThatDisagreesIsAFailureAndOneThatIsNoneAMistake: in either case those
// beside it are replayed.
func TestAWalkThatDisagreesIsAFailureAndOneThatIsNoneAMistake(t *testing.T) {
	workplace(t, map[string]string{
		"good.jsonl": walkOf(2), "cut.jsonl": strings.TrimSuffix(walkOf(2), "}\n"), "empty.jsonl": "",
		"other.jsonl": strings.Replace(walkOf(2), `"decide": true`, `"decide": true, "want": {"valid": true, "stable": 2, "panic": 2, "desired": 7, "excess": 0, "panics": false}`, 1),
	})
	for file, code := range map[string]int{"other.jsonl": exitFailed, "cut.jsonl": exitUsage, "empty.jsonl": exitUsage, "absent.jsonl": exitFailed} {
		out, errs := cosim(t, code, "autoscale", file, "good.jsonl")
		require.Contains(t, errs, file)
		answers := decisions(t, out)
		require.NotEmpty(t, answers, file)
		require.Equal(t, decisions(t, must(knativeAnswers(walkOf(2))))[0], answers[len(answers)-1], "the good one is replayed")
	}
}

// knativeAnswers replays a walk without the command line.
func knativeAnswers(walk string) (string, error) {
	var out bytes.Buffer
	lines := json.NewEncoder(&out)
	err := knative.Replay(strings.NewReader(walk), func(a knative.Answer) error { return lines.Encode(a) })
	return out.String(), err
}
