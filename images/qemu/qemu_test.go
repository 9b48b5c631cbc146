package qemu_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"microcosm/images/cache"
	"microcosm/images/isa"
	"microcosm/images/qemu"
	"microcosm/images/tool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// standIn makes script the QEMU of this test: a real process whose standard
// output is the guest's console. It may not run in parallel.
func standIn(t *testing.T, script string) qemu.Machine {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"qemu-system-x86_64", "qemu-system-aarch64"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"+script), 0o755))
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	for _, name := range []string{"kernel", "disk"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(name), 0o644))
	}
	return qemu.Machine{
		ISA: isa.X86, Kernel: filepath.Join(dir, "kernel"), Disk: filepath.Join(dir, "disk"), Ready: "agent:", Deadline: time.Minute,
	}
}

func TestVerdicts(t *testing.T) {
	for _, c := range []struct {
		name, script      string
		deadline, silence time.Duration
		verdict           qemu.Verdict
		reason, tail      string
		ready             bool
	}{
		{"the guest comes up and switches off", "echo 'agent: up'; echo done",
			time.Minute, 0, qemu.PoweredOff, "", "agent: up\ndone\n", true},
		{"the kernel panics and the machine ends", "echo '[ 1.0] Kernel panic - not syncing: VFS'; echo '---[ end'",
			time.Minute, 0, qemu.Panicked, "Kernel panic - not syncing: VFS", "---[ end", false},
		{"the kernel panics while the machine stays", "echo 'agent: up'; echo 'Kernel panic - not syncing: oops'; exec sleep 1000",
			time.Minute, 0, qemu.Panicked, "Kernel panic - not syncing: oops", "oops", true},
		{"the console ends within the panic", "echo 'agent: up'; printf '[ 1.0] Kernel panic - not syncing: VF'",
			time.Minute, 0, qemu.Panicked, "Kernel panic - not syncing: VF", "VF", true},
		{"the console ends within the ready line", "printf 'agent: up'",
			time.Minute, 0, qemu.PoweredOff, "", "agent: up", true},
		{"the machine ends before the agent speaks", "echo booting",
			time.Minute, 0, qemu.Died, "the machine switched off before it was up", "booting\n", false},
		{"QEMU fails", "echo 'qemu: no such machine' >&2; exit 1",
			time.Minute, 0, qemu.Died, "QEMU ended with exit status 1", "no such machine", false},
		{"nothing is ever printed", "exec sleep 1000",
			2 * time.Second, 0, qemu.BootHang, "the guest never came up: not done after 2s", "", false},
		{"the guest comes up and never ends, but talks", "echo 'agent: up'; while sleep .05; do echo tick; done",
			2 * time.Second, 10 * time.Second, qemu.Hang, "not done after 2s", "tick\n", true},
		{"the guest falls silent", "echo 'agent: up'; exec sleep 1000",
			time.Minute, 2 * time.Second, qemu.Hang, "its console was silent for 2s", "agent: up\n", true},
		{"the guest is slow but talks", "for i in 1 2 3 4 5; do echo booting; sleep .15; done; echo 'agent: up'",
			time.Minute, 5 * time.Second, qemu.PoweredOff, "", "agent: up\n", true},
		{"QEMU ignores SIGTERM", "trap '' TERM; echo 'agent: up'; while :; do sleep 1; done",
			2 * time.Second, 0, qemu.Hang, "not done after 2s", "agent: up\n", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := standIn(t, c.script)
			m.Deadline, m.Silence = c.deadline, c.silence
			var console bytes.Buffer
			m.Console = &console
			got, err := qemu.Run(context.Background(), m)
			require.NoError(t, err)
			require.Equal(t, c.verdict, got.Verdict, "%+v", got)
			require.Equal(t, c.reason, got.Reason)
			require.Contains(t, got.Tail, c.tail)
			require.Equal(t, got.Tail, console.String())
			require.Equal(t, c.ready, got.Ready > 0)
			require.Positive(t, got.Wall)
			require.Less(t, got.Wall, 10*time.Minute, "it does not wait for the machine's own end")
		})
	}
}

func TestTheGuestGetsItsDisksAndItsJob(t *testing.T) {
	for _, i := range isa.All() {
		m := standIn(t, `echo "agent: $*"; for a; do case $a in *id=job*) f=${a#file=}; cat "${f%%,*}"; echo "|$(wc -c < "${f%%,*}")";; esac; done`)
		m.ISA, m.Job, m.Append, m.Cores, m.MemoryMiB = i, []byte(`{"n":1}`), []string{"extra=1"}, 3, 512
		got, err := qemu.Run(context.Background(), m)
		require.NoError(t, err)
		require.Equal(t, qemu.PoweredOff, got.Verdict)
		require.Contains(t, got.Tail, "-smp 3 -m 512")
		require.Contains(t, got.Tail, "file="+strings.ReplaceAll(m.Disk, ",", ",,")+",format=raw,snapshot=on")
		require.Contains(t, got.Tail, "root=/dev/"+map[isa.ISA]string{isa.X86: "sda", isa.Arm: "vda"}[i])
		require.Contains(t, got.Tail, " extra=1\n")
		require.Contains(t, got.Tail, `{"n":1}`+strings.Repeat(" ", 505)+"|512", "padded to whole sectors with what JSON ignores")
	}
}

func TestTheContextEndsTheMachine(t *testing.T) {
	m := standIn(t, "echo 'agent: up'; exec sleep 1000")
	ctx, cancel := context.WithTimeoutCause(context.Background(), 200*time.Millisecond, errors.New("the user left"))
	defer cancel()
	_, err := qemu.Run(ctx, m)
	require.ErrorContains(t, err, "the user left")
}

func TestAConsoleThatCannotBeWrittenDoesNotStopTheGuest(t *testing.T) {
	m := standIn(t, "echo 'agent: up'; seq 1 2000; echo end")
	m.Console = broken{}
	got, err := qemu.Run(context.Background(), m)
	require.NoError(t, err)
	require.Equal(t, qemu.PoweredOff, got.Verdict)
	require.Contains(t, got.Tail, "2000\nend\n")
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestImpossibleMachinesAreRefusedWithEveryMistake(t *testing.T) {
	_, err := qemu.Run(context.Background(), qemu.Machine{Kernel: "/no/kernel", Disk: "/no/disk", Cores: -1})
	for _, want := range []string{"no ISA", "deadline 0s", "-1 cores", "no kernel", "no disk", "make -C images"} {
		require.ErrorContains(t, err, want)
	}
}

func TestAMissingQEMUIsNamedWithItsPackage(t *testing.T) {
	m := standIn(t, "")
	t.Setenv("PATH", t.TempDir())
	_, err := qemu.Run(context.Background(), m)
	var missing *tool.MissingError
	require.ErrorAs(t, err, &missing)
	require.Equal(t, "qemu-system-x86", missing.Package)
}

func TestThePluginCompilesOnce(t *testing.T) {
	if err := tool.Require("gcc"); err != nil {
		t.Skip(err)
	}
	c, err := cache.Open(t.TempDir())
	require.NoError(t, err)
	first, err := qemu.CompilePlugin(context.Background(), c, qemu.Blocks)
	require.NoError(t, err)
	require.FileExists(t, first)
	second, err := qemu.CompilePlugin(context.Background(), c, qemu.Blocks)
	require.NoError(t, err)
	require.Equal(t, first, second)
}
