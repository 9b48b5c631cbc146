//go:build linux

package guest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/images/guest/job"
)

// disks makes files the second disks of this test, which may not run in parallel.
func disks(t *testing.T) (first, second string) {
	t.Helper()
	dir := t.TempDir()
	before := jobDevices
	t.Cleanup(func() { jobDevices = before })
	jobDevices = []string{filepath.Join(dir, "sdb"), filepath.Join(dir, "vdb")}
	return jobDevices[0], jobDevices[1]
}

func TestTheJobIsWhatTheSecondDiskHolds(t *testing.T) {
	_, second := disks(t)
	text := null("x", "off", 1) + strings.Repeat(" ", 300)
	require.NoError(t, os.WriteFile(second, []byte(text), 0o600))
	got, err := (&serialLink{}).Job(context.Background())
	require.NoError(t, err)
	require.Equal(t, text, string(got))
	_, err = job.Parse(got)
	require.NoError(t, err)

	require.NoError(t, os.WriteFile(second, make([]byte, 4<<20), 0o600))
	got, err = (&serialLink{}).Job(context.Background())
	require.NoError(t, err)
	_, err = job.Parse(got)
	require.ErrorContains(t, err, "longer than", "a disk is not read to its end")
}

func TestTheSecondDiskMayTakeAMoment(t *testing.T) {
	first, _ := disks(t)
	appeared := make(chan error, 1)
	go func() {
		time.Sleep(50 * time.Millisecond) // a real device on a real clock
		err := os.WriteFile(first+".new", []byte("{}"), 0o600)
		appeared <- errors.Join(err, os.Rename(first+".new", first))
	}()
	got, err := (&serialLink{}).Job(context.Background())
	require.NoError(t, <-appeared)
	require.NoError(t, err)
	require.Equal(t, "{}", string(got))
}

func TestAMachineWithoutASecondDiskSaysSo(t *testing.T) {
	first, second := disks(t)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := (&serialLink{}).Job(ctx)
	require.EqualError(t, err, "no job: there is no second disk ("+first+" or "+second+")")
}

// fullConsole takes so many bytes and no more.
type fullConsole struct{ left int }

func (c *fullConsole) Write(p []byte) (int, error) {
	if c.left -= len(p); c.left < 0 {
		return 0, errors.New("the line is down")
	}
	return len(p), nil
}

func TestRecordsOnTheConsole(t *testing.T) {
	t.Parallel()
	var console strings.Builder
	l := &serialLink{console: &console}
	console.WriteString("[ 1.0] noise\n")
	for seq, r := range []job.Record{{Job: "x", Kind: job.Start, Status: job.OK}, {Job: "x", Kind: job.End, Status: job.OK, Records: 2}} {
		r.Seq = seq
		require.NoError(t, l.Write(r))
	}
	records, err := job.ReadRecords(strings.NewReader(console.String()))
	require.NoError(t, err)
	require.Len(t, records, 2)
	require.Error(t, l.Write(job.Record{}), "a record without a kind is none")
	require.ErrorContains(t, (&serialLink{console: &fullConsole{}}).Write(records[0]), "the line is down")
}

func TestBusyTicks(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		stat string
		core int
		want int64
		err  string
	}{
		"user, nice, system, irq, softirq, steal": {"cpu1 1 2 4 1000 1000 8 16 32 1000 1000\n", 1, 63, ""},
		"of a kernel without guests":              {"cpu0 1 1 1 9 9 1 1 1\n", 0, 6, ""},
		"the sum of all is no core":               {"cpu 9 9 9 9 9 9 9 9 9 9\ncpu0 1 0 0 0 0 0 0 0 0 0\n", 0, 1, ""},
		"core 10 is not core 1":                   {"cpu10 9 9 9 9 9 9 9 9 9 9\ncpu1 1 0 0 0 0 0 0 0 0 0\n", 1, 1, ""},
		"no such core":                            {"cpu0 1 1 1 9 9 1 1 1 0 0\n", 1, 0, "it does not tell of cpu1"},
		"a line that is cut":                      {"cpu1 1 2 3 4 5 6 7 80 9 10", 1, 0, "it does not tell of cpu1"},
		"no number":                               {"cpu1 1 2 x 4 5 6 7 8 9 10\n", 1, 0, `strconv.ParseInt: parsing "x"`},
		"nothing":                                 {"", 0, 0, "it does not tell of cpu0"},
	} {
		got, err := busyTicks([]byte(c.stat), fmt.Appendf(nil, "cpu%d", c.core))
		if c.err != "" {
			require.ErrorContains(t, err, c.err, situation)
			continue
		}
		require.NoError(t, err, situation)
		require.Equal(t, c.want, got, situation)
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	for stat, want := range map[string]int64{"usage_usec 0": 0, "user_usec 3\nusage_usec 7\nsystem_usec 4\n": 7, "usage_usec 7 \r\n": 7} {
		got, err := usage([]byte(stat))
		require.NoError(t, err, "%q", stat)
		require.Equal(t, want, got, "%q", stat)
	}
	for _, stat := range []string{"", "usage_usec", "usage_usec x", "usage_usec 99999999999999999999", "nr_usage_usec 7"} {
		_, err := usage([]byte(stat))
		require.Error(t, err, "%q", stat)
	}
}

func TestAMeterWithoutItsControlGroupsIsAnError(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, err := newMeter(dir, dir)
	require.ErrorIs(t, err, os.ErrNotExist)
	for _, path := range []string{"stat", "agent/cpu.stat", "dependencies/cpu.stat", "functions/cpu.stat"} {
		require.ErrorContains(t, err, filepath.Join(dir, path), "all that is missing is named")
	}
}

func TestARootIsReadOnlyOrNot(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		mounts string
		fine   bool
	}{
		"read-only":                       {"20 1 0:9 / / ro,relatime - overlay overlay rw", true},
		"among other options":             {"20 1 0:9 / / nosuid,ro,noatime - overlay overlay rw", true},
		"only the file system is":         {"20 1 0:9 / / rw,relatime - overlay overlay ro", false},
		"a word that begins like it":      {"20 1 0:9 / / rootcontext - overlay overlay ro", false},
		"another place is":                {"20 1 0:9 / / rw - o o rw\n21 1 0:9 / /proc ro - proc proc ro", false},
		"what is mounted is below a root": {"20 1 0:9 /root / ro - o o rw", true},
		"the last on top counts":          {"20 1 0:9 / / rw - o o rw\n22 20 0:11 / / ro - tmpfs t rw", true},
		"a line that is cut":              {"20 1 0:9 / /", false},
		"nothing is mounted":              {"", false},
	} {
		err := readonlyRoot(c.mounts)
		require.Equal(t, c.fine, err == nil, "%s: %v", situation, err)
	}
}
