//go:build linux

package guest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"microcosm/functions"
	"microcosm/images/guest/driver"
	"microcosm/images/guest/job"
	"microcosm/images/guest/m5"
)

func TestMeter(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	put := func(path, text string) {
		path = filepath.Join(dir, path)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	put("stat", "cpu  1 1 1 1 1 1 1 1 0 0\ncpu0 1 2 3 400 50 6 7 8 0 0\ncpu1 10 20 30 400 50 60 70 80 0 0\nintr 1\n")
	put("agent/cpu.stat", "usage_usec 100\nuser_usec 60\n")
	put("dependencies/cpu.stat", "usage_usec 20\n")
	put("functions/cpu.stat", "user_usec 1\nusage_usec 7\n")
	m, err := newMeter(dir, dir)
	require.NoError(t, err)
	got, err := m.Cores()
	require.NoError(t, err)
	require.Equal(t, []job.Core{{Core: 0, Micros: 120, Busy: 27}, {Core: 1, Micros: 7, Busy: 270}}, got)

	put("functions/cpu.stat", "user_usec 1\n")
	_, err = m.Cores()
	require.ErrorContains(t, err, "functions/cpu.stat: it tells of no usage_usec")
	put("stat", "cpu0 1 2 3 400 50 6 7 8 0 0\n")
	_, err = m.Cores()
	require.ErrorContains(t, err, "stat: it does not tell of cpu1")
}

// simulator hands in a job and keeps what is written.
type simulator struct {
	job  string
	file map[string]string
	ops  []m5.Op
}

func (s *simulator) execute(op m5.Op, a [4]uint64) uint64 {
	at := func(address uint64) *byte { return (*byte)(*(*unsafe.Pointer)(unsafe.Pointer(&address))) }
	s.ops = append(s.ops, op)
	switch op {
	case m5.ReadFile:
		return uint64(copy(unsafe.Slice(at(a[0]), a[1]), s.job[min(a[2], uint64(len(s.job))):]))
	case m5.WriteFile:
		var name strings.Builder
		for i := a[3]; *at(i) != 0; i++ {
			name.WriteByte(*at(i))
		}
		s.file[name.String()] = s.file[name.String()][:a[2]] + string(unsafe.Slice(at(a[0]), a[1]))
		return a[1]
	}
	return 0
}

// noBoxes makes no sandboxes.
type noBoxes struct{}

func (noBoxes) Create(context.Context, driver.Spec) (driver.Sandbox, error) {
	return nil, errors.New("none here")
}

// simulated returns an agent that is furnished as in gem5.
func simulated(t *testing.T, s *simulator) *agent {
	t.Helper()
	all, err := functions.Load()
	require.NoError(t, err)
	a := &agent{console: &strings.Builder{}, id: unknown}
	a.use(&gem5Link{machine: m5.New(s.execute)}, driver.Config{Catalog: all.Lookup, Launcher: noBoxes{}})
	return a
}

const failing = `{"format":1,"id":"one","seed":1,"then":"checkpoint","steps":[{"mode":"null","count":1}]}`

func TestEveryEndOfAJobInGem5IsTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		job, file string
		want      []string
	}{
		"no job":               {"", "records-unknown", []string{"set its readfile"}},
		"no JSON":              {"#!/bin/sh", "records-unknown", []string{"read the job: no JSON"}},
		"a job of mistakes":    {`{"format":9,"id":"x","seed":-1}`, "records-unknown", []string{"seed: want a whole number from 0"}},
		"a function not there": {failing, "records-one", []string{"step 0: null: ", "read how much the cores worked"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := &simulator{job: c.job, file: map[string]string{}}
			a := simulated(t, s)
			a.driver.Meter = &meter{stat: counterFile{path: "stat", fd: -1}} // what cannot be read is an error, too
			err := a.told(func() error { return a.work(context.Background()) })
			require.Error(t, err)
			records, readErr := job.ReadRecords(strings.NewReader(s.file[c.file]))
			require.NoError(t, readErr, s.file)
			end := records[len(records)-1]
			require.Equal(t, job.Failed, end.Status)
			for _, want := range c.want {
				require.ErrorContains(t, err, want)
				require.Contains(t, end.Reason, want)
			}
			a.link.Off(err != nil)
			require.Equal(t, []m5.Op{m5.Fail, m5.Exit}, s.ops[len(s.ops)-2:])
			require.NotContains(t, s.ops, m5.Checkpoint, "no checkpoint of a failure")
		})
	}
}

func TestAPanicOfTheAgentIsTold(t *testing.T) {
	t.Parallel()
	s := &simulator{file: map[string]string{}}
	a := simulated(t, s)
	a.id, a.written = "three", 0
	err := a.told(func() error { panic("index out of range") })
	require.ErrorContains(t, err, "the agent panicked: index out of range")
	records, err := job.ReadRecords(strings.NewReader(s.file["records-three"]))
	require.NoError(t, err)
	require.Contains(t, records[0].Reason, "index out of range")
}

func TestTheSameJobAfterACheckpointIsRefused(t *testing.T) {
	t.Parallel()
	s := &simulator{job: failing, file: map[string]string{}}
	a := simulated(t, s)
	a.id = "one"
	_, err := a.next(context.Background())
	require.ErrorContains(t, err, "the job after the checkpoint is one again")
}

func TestWithoutASimulatorThereIsNoCheckpoint(t *testing.T) {
	t.Parallel()
	require.ErrorContains(t, (&serialLink{}).Checkpoint(), "only gem5")
}
