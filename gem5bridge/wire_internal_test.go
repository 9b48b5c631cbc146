package gem5bridge

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"microcosm/cosim/servicetime"
	"microcosm/gem5bridge/bridgepb"
)

// These tests are internal because nothing generated leaves the package.

func anyCondition(t *rapid.T) servicetime.Condition {
	text := rapid.SampledFrom([]string{
		"cold", "warm", "lukewarm:4", "lukewarm:16@pair", "flush", "flush:l1i+btb", "stressor:65536", "stage:create", "stage:init",
	}).Draw(t, "condition")
	c, err := servicetime.ParseCondition(text)
	require.NoError(t, err)
	return c
}

var (
	word  = rapid.StringMatching(`[a-z0-9-]{1,12}`)
	words = rapid.MapOfN(word, word, 1, 3)
)

// overWire encodes and decodes, as the wire does.
func overWire[M proto.Message](t require.TestingT, from, to M) M {
	data, err := proto.Marshal(from)
	require.NoError(t, err)
	require.NoError(t, proto.Unmarshal(data, to))
	return to
}

func TestAJobSurvivesTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		job := Job{
			Setup: Setup{
				Platform: word.Draw(t, "platform"), Overrides: words.Draw(t, "overrides"),
				Functions: word.Draw(t, "functions"), WorkDir: word.Draw(t, "dir"), Settings: words.Draw(t, "settings"),
			},
			Seed:     rapid.Uint64().Draw(t, "seed"),
			Campaign: word.Draw(t, "campaign"),
			Mix:      Mix{Name: word.Draw(t, "mix"), Functions: rapid.SliceOfN(word, 1, 4).Draw(t, "mixed")},
			Deadline: time.Duration(rapid.Int64Range(-1, 1<<50).Draw(t, "deadline")),
			Slots:    rapid.IntRange(-1, 99).Draw(t, "slots"),
		}
		for range rapid.IntRange(1, 5).Draw(t, "cells") {
			job.Cells = append(job.Cells, Cell{
				Function: word.Draw(t, "function"), Input: word.Draw(t, "input"), Condition: anyCondition(t),
				First: rapid.IntRange(-1, 1<<40).Draw(t, "first"), Count: rapid.IntRange(-1, 1<<40).Draw(t, "count"),
			})
		}
		require.Equal(t, job, jobFromWire(overWire(t, jobToWire(job), &bridgepb.Job{})))
	})
}

func anySample(t *rapid.T) servicetime.Sample {
	ticks := rapid.Int64Range(1, 1<<50)
	s := servicetime.Sample{
		Key: servicetime.Key{
			Function: word.Draw(t, "function"), Image: word.Draw(t, "image"), Input: word.Draw(t, "input"),
			Platform: word.Draw(t, "platform"), PlatformDigest: word.Draw(t, "digest"), Condition: anyCondition(t), Stack: word.Draw(t, "stack"),
		},
		N:         rapid.IntRange(0, 1<<40).Draw(t, "n"),
		Seed:      rapid.Uint64().Draw(t, "seed"),
		Status:    rapid.SampledFrom([]servicetime.Status{servicetime.Valid, servicetime.Censored, servicetime.Rejected}).Draw(t, "status"),
		RoundTrip: servicetime.Ticks(ticks.Draw(t, "round trip")),
		Null:      servicetime.Ticks(ticks.Draw(t, "null")),
		Busy:      servicetime.Ticks(ticks.Draw(t, "busy")),
		Counters:  rapid.MapOfN(word, rapid.Int64(), 1, 4).Draw(t, "counters"),
		Provenance: servicetime.Provenance{
			Backend: word.Draw(t, "backend"), SimulatorDigest: word.Draw(t, "simulator"), Boot: word.Draw(t, "boot"),
			Restore: word.Draw(t, "restore"), Host: word.Draw(t, "host"),
			Measured: time.Unix(rapid.Int64Range(0, 1<<33).Draw(t, "measured"), 0).UTC(),
			Cost:     time.Duration(ticks.Draw(t, "cost")), Note: word.Draw(t, "note"),
		},
	}
	if s.Status != servicetime.Valid {
		s.Reason = word.Draw(t, "reason")
	}
	return s
}

func TestASampleSurvivesTheWire(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := anySample(t)
		got, err := sampleFromWire(overWire(t, sampleToWire(&want), &bridgepb.Sample{}))
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestADamagedSampleIsAProtocolError(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		damage func(*bridgepb.Sample)
	}{
		{"no key", func(s *bridgepb.Sample) { s.Key = nil }},
		{"no such condition", func(s *bridgepb.Sample) { s.Key.Condition = "tepid" }},
		{"no such status", func(s *bridgepb.Sample) { s.Status = "fine" }},
		{"censored without a reason", func(s *bridgepb.Sample) { s.Status = "censored"; s.Reason = "" }},
		{"negative time", func(s *bridgepb.Sample) { s.RoundTrip = -1 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			whole := servicetime.Sample{
				Key:    servicetime.Key{Function: "f", Image: "i", Input: "d", Platform: "p", PlatformDigest: "x", Condition: servicetime.Condition{Kind: servicetime.Warm}, Stack: "s"},
				Status: servicetime.Valid, RoundTrip: 1,
			}
			wire := sampleToWire(&whole)
			_, err := sampleFromWire(wire)
			require.NoError(t, err)
			test.damage(wire)
			_, err = sampleFromWire(wire)
			require.ErrorIs(t, err, ErrProtocol)
		})
	}
}

func TestProgressAndLogSurviveTheWire(t *testing.T) {
	t.Parallel()
	p := Progress{Cell: WholeJob, Done: 3, Of: 9, Run: "r", Phase: "boot", Ticks: 5, Instructions: 6, WorkItems: 7, HostCPU: 8}
	event := overWire(t, eventToWire(Event{Progress: &p}), &bridgepb.Event{})
	require.Equal(t, p, progressFromWire(event.GetProgress()))
	l := Log{Level: 4, Message: "slow", Attributes: map[string]string{"run": "r"}}
	event = overWire(t, eventToWire(Event{Log: &l}), &bridgepb.Event{})
	require.Equal(t, l, logFromWire(event.GetLog()))
	require.Nil(t, eventToWire(Event{}).GetEvent())
}

func TestADescriptionSurvivesTheWire(t *testing.T) {
	t.Parallel()
	want := Description{
		Backend: "gem5", Version: "24.0", Stack: "sha256:1", Notes: []string{"a", "b"},
		Platforms: []Platform{{Name: "p", Digest: "d", ISA: "arm64", Parameters: map[string]string{"l2.size": "2MiB"}}},
	}
	for kind := servicetime.Cold; kind <= servicetime.StageInit; kind++ {
		want.Conditions = append(want.Conditions, kind)
	}
	wire := overWire(t, descriptionToWire(want), &bridgepb.Description{})
	got, err := descriptionFromWire(wire)
	require.NoError(t, err)
	require.Equal(t, want, got)

	wire.Conditions = append(wire.Conditions, "tepid")
	_, err = descriptionFromWire(wire)
	require.ErrorIs(t, err, ErrProtocol)
	require.ErrorContains(t, err, `"tepid"`)
}

func TestAFailureSurvivesTheWire(t *testing.T) {
	t.Parallel()
	f := &Failure{Kind: ErrWrongReply, Function: "aes-go", Input: "default", Condition: servicetime.LukewarmAfter(4), Text: "want 16 bytes"}
	other := &Failure{Kind: ErrInvalidJob, Text: "no cells"}
	tests := []struct {
		name string
		err  error
		want error
		code codes.Code
	}{
		{"one", f, errors.Join(f), codes.DataLoss},
		{"wrapped", fmt.Errorf("round 3: %w", f), errors.Join(f), codes.DataLoss},
		{"joined and nested", errors.Join(other, errors.Join(f, nil, other)), errors.Join(other, f, other), codes.InvalidArgument},
		{"without a kind", errors.New("disk full"), errors.Join(&Failure{Text: "disk full"}), codes.Unknown},
		{"a cancelled context", context.Canceled, errors.Join(&Failure{Kind: ErrCancelled, Text: "context canceled"}), codes.Canceled},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			st := status.Convert(statusOf(test.err))
			require.Equal(t, test.code, st.Code())
			raw := overWire(t, st.Proto(), status.New(codes.OK, "").Proto())
			require.Equal(t, test.want, failuresOf(status.FromProto(raw).Err()))
		})
	}
	require.NoError(t, statusOf(nil))
	require.NoError(t, failuresOf(status.Error(codes.Unavailable, "transport is closing")))
}

func TestAConditionThatIsNoneDoesNotBecomeAnother(t *testing.T) {
	t.Parallel()
	for _, c := range []servicetime.Condition{
		{}, {Kind: servicetime.Lukewarm, Mix: servicetime.CatalogMix}, {Kind: servicetime.Warm, K: 3}, {Kind: servicetime.Stressor}, {Kind: 99},
	} {
		require.Zero(t, conditionFromWire(conditionToWire(c)), "%#v", c)
	}
}

func FuzzSpokenVersion(f *testing.F) {
	f.Add("1|1|unix|/tmp/socket|grpc|cert")
	f.Add("usage: frobnicate")
	f.Fuzz(func(t *testing.T, line string) {
		if version, ok := spokenVersion(line); ok {
			again, ok := spokenVersion(fmt.Sprintf("1|%d|unix|x", version))
			require.True(t, ok)
			require.Equal(t, version, again)
		}
	})
}
