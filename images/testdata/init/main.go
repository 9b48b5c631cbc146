// Command init stands in for the guest agent in the tests of kernels and disk
// images: it runs commands in the image's layers and switches the machine off.
//
// Its job, JSON on the second disk: a list of commands, each with the layers it
// runs in (top first; none: the guest's root) and its arguments, or the
// configuration of an OCI container that crun runs with these layers as its
// root. Every line it prints begins with "stand-in:".
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"unsafe"
)

type command struct {
	Layers []string `json:"layers"`
	Args   []string `json:"args"`

	Container json.RawMessage `json:"container"` // config.json; its root is "rootfs"
}

func main() {
	say("up")
	if err := run(); err != nil {
		say("failed: " + err.Error())
	}
	say("off")
	syscall.Sync()
	_ = syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF) // does not return
}

func say(text string) {
	os.Stdout.WriteString("stand-in: " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\nstand-in: ") + "\n")
}

func run() error {
	for _, m := range []struct{ source, target, kind, data string }{
		{"proc", "/proc", "proc", ""}, {"sysfs", "/sys", "sysfs", ""}, {"tmpfs", "/run", "tmpfs", ""}, {"tmpfs", "/tmp", "tmpfs", ""},
		{"cgroup2", "/sys/fs/cgroup", "cgroup2", ""},
	} {
		if err := syscall.Mount(m.source, m.target, m.kind, 0, m.data); err != nil {
			return fmt.Errorf("mount %s: %w", m.target, err)
		}
	}
	if err := seed(); err != nil {
		return fmt.Errorf("seed the random number generator: %w", err)
	}
	job, err := readJob()
	if err != nil {
		return err
	}
	for i, c := range job {
		out, err := c.run(fmt.Sprintf("/run/%d", i))
		if err != nil {
			return fmt.Errorf("%v: %w: %s", c.Args, err, out)
		}
		say(out)
	}
	return nil
}

// seed credits the kernel with randomness. A guest has no source of its own, so
// that without it getrandom fails in Python and spins for a second in others.
func seed() error {
	f, err := os.OpenFile("/dev/urandom", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	const addEntropy = 0x40085203 // RNDADDENTROPY, include/uapi/linux/random.h
	pool := struct {
		bits, size int32
		data       [64]byte
	}{512, 64, [64]byte{1}}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), addEntropy, uintptr(unsafe.Pointer(&pool))); errno != 0 {
		return errno
	}
	return nil
}

func readJob() ([]command, error) {
	for _, device := range []string{"/dev/sdb", "/dev/vdb"} {
		text, err := os.ReadFile(device)
		if err != nil {
			continue
		}
		var job []command
		return job, json.Unmarshal(text, &job)
	}
	return nil, nil // no second disk: nothing to do
}

func (c command) run(at string) (string, error) {
	root := at + "/rootfs"
	if len(c.Layers) > 0 {
		if err := mountLayers(c.Layers, root); err != nil {
			return "", err
		}
	}
	if c.Container != nil {
		if err := os.WriteFile(at+"/config.json", c.Container, 0o644); err != nil {
			return "", err
		}
		c.Args = []string{"/usr/bin/crun", "--cgroup-manager=cgroupfs", "run", "--bundle", at, "test"}
	}
	cmd := exec.Command(c.Args[0], c.Args[1:]...)
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	if len(c.Layers) > 0 && c.Container == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
		cmd.Dir = "/"
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mountLayers(layers []string, root string) error {
	lower := make([]string, len(layers))
	for i, layer := range layers {
		lower[i] = "/layers/" + layer
	}
	if len(lower) == 1 { // overlayfs wants two
		lower = append(lower, "/mnt")
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return err
	}
	if err := syscall.Mount("overlay", root, "overlay", syscall.MS_RDONLY, "lowerdir="+strings.Join(lower, ":")); err != nil {
		return fmt.Errorf("mount overlay: %w", err)
	}
	return nil
}
