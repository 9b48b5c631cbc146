package gem5bridge

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
)

// TestTheFirstLineIsKeptHoweverItIsWritten writes a plugin's output in pieces cut
// anywhere.
func TestTheFirstLineIsKeptHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z|]{0,20}(\n[a-z|]{0,20}){0,3}`).Draw(t, "text")
		if rapid.Bool().Draw(t, "long") {
			text = strings.Repeat("x", rapid.IntRange(4000, 9000).Draw(t, "length")) + text
		}
		want, _, _ := strings.Cut(text, "\n")
		var line firstLine
		for rest := text; rest != ""; {
			n := rapid.IntRange(1, len(rest)).Draw(t, "piece")
			written, err := line.Write([]byte(rest[:n]))
			require.NoError(t, err)
			require.Equal(t, n, written, "whoever copies must not think that it is short")
			rest = rest[n:]
		}
		require.Equal(t, want[:min(len(want), 4096)], line.String())
	})
}

func TestSpokenVersion(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]int{
		"1|1|unix|/tmp/plugin|grpc|cert": 1, "1|9|tcp|127.0.0.1:1|grpc": 9, "1|0|unix|x": 0, "7|-3|unix|x": -3,
	} {
		version, spoken := spokenVersion(line)
		require.True(t, spoken, line)
		require.Equal(t, want, version, line)
	}
	for _, line := range []string{"", "1", "1|1|unix", "1|one|unix|x", "usage: a|b|c|d", "1||unix|x", "1|1.0|unix|x"} {
		_, spoken := spokenVersion(line)
		require.False(t, spoken, line)
	}
}

// TestAPluginIsHeldToItsCells books random samples: what the account misses is what
// was not delivered, cell by cell.
func TestAPluginIsHeldToItsCells(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		job, valid := Job{}, map[int]int{}
		for i := range rapid.IntRange(1, 5).Draw(t, "cells") {
			job.Cells = append(job.Cells, Cell{Function: fmt.Sprint("f", i), Input: "default", Condition: servicetime.LukewarmAfter(i), Count: rapid.IntRange(1, 4).Draw(t, "count")})
		}
		a := newAccount(job)
		for n := range rapid.IntRange(0, 20).Draw(t, "samples") {
			i := rapid.IntRange(0, len(job.Cells)-1).Draw(t, "cell")
			status := rapid.SampledFrom([]servicetime.Status{servicetime.Valid, servicetime.Valid, servicetime.Censored, servicetime.Rejected}).Draw(t, "status")
			c := job.Cells[i]
			s := servicetime.Sample{
				Key: servicetime.Key{Function: c.Function, Image: "i", Input: c.Input, Platform: "p", PlatformDigest: "d", Condition: c.Condition, Stack: "s"},
				N:   n, Status: status, RoundTrip: 1,
			}
			if status == servicetime.Valid {
				valid[i]++
			} else {
				s.Reason = "because"
			}
			got, err := a.book(sampleToWire(&s))
			require.NoError(t, err)
			require.Equal(t, n, got.N)
		}
		var want []string
		for i, c := range job.Cells {
			if valid[i] < c.Count {
				want = append(want, fmt.Sprintf("plugin broke the protocol: it ended well after %d of %d samples of %s", valid[i], c.Count, c))
			}
		}
		err := a.settle()
		if len(want) == 0 {
			require.NoError(t, err)
			return
		}
		require.ErrorIs(t, err, ErrProtocol)
		require.EqualError(t, err, strings.Join(want, "\n"))
	})
}

func TestALogRecordKeepsItsLevelAndTheOrderOfNames(t *testing.T) {
	t.Parallel()
	for level, word := range map[slog.Level]string{slog.LevelDebug: "DEBUG", slog.LevelInfo: "INFO", slog.LevelWarn: "WARN", slog.LevelError: "ERROR"} {
		var out bytes.Buffer
		log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		}}))
		record(t.Context(), log, Log{Level: level, Message: "a run failed", Attributes: map[string]string{"why": "no = room", "run": "7", "cell": "aes-go"}})
		require.Equal(t, "level="+word+` msg="a run failed" cell=aes-go run=7 why="no = room"`+"\n", out.String())
	}
}

// TestWhatGoPluginSaysIsForDevelopers: nothing of it shows at level Info.
func TestWhatGoPluginSaysIsForDevelopers(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	logger := pluginLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelInfo})))
	logger.Error("plugin process exited", "pid", 7)
	require.Empty(t, out.String())

	logger = pluginLog(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})))
	logger.Named("stdio").Error("plugin process exited", "pid", 7)
	require.Contains(t, out.String(), `level=DEBUG msg="plugin process exited" logger=plugin.stdio severity=error pid=7`)
}
