package qemu

import (
	"context"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"microcosm/images/cache"
	"microcosm/images/tool"
)

//go:embed plugin/*.c plugin/*.h
var plugins embed.FS

// The plugins that count, as CompilePlugin names them.
const (
	Blocks = "count" // instructions per block of code
	Calls  = "calls" // instructions per marked call and core
)

// Counter makes QEMU count the instructions that a guest executes. Both cores
// are emulated in one thread then, so that no count is lost. A repeated string
// instruction counts once per repetition.
type Counter struct {
	Plugin string   // shared library; see CompilePlugin
	Marks  []uint64 // addresses that Blocks stamps with the count whenever they are reached
	Out    string   // file that the counts are written to, as the plugin's source describes it
}

// CompilePlugin returns the path of the shared library of the plugin, compiled
// for this machine.
func CompilePlugin(ctx context.Context, c *cache.Cache, name string) (string, error) {
	var sources [2][]byte
	files := [2]string{"plugin.h", name + ".c"}
	for i, file := range files {
		var err error
		if sources[i], err = plugins.ReadFile("plugin/" + file); err != nil {
			return "", fmt.Errorf("no plugin %q: %w", name, err)
		}
	}
	dir, err := c.Entry(ctx, cache.Recipe{
		Kind: "qemu-plugin", Key: cache.Key(string(sources[0]), string(sources[1])), Need: 1 << 20,
		Build: func(dir string) error {
			for i, file := range files {
				if err := os.WriteFile(filepath.Join(dir, file), sources[i], 0o644); err != nil {
					return err
				}
			}
			return tool.Run(ctx, tool.Command{Args: []string{
				"gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", filepath.Join(dir, name+".so"), filepath.Join(dir, name+".c"),
			}})
		},
	})
	if err != nil {
		return "", fmt.Errorf("compile the plugin that counts: %w", err)
	}
	return filepath.Join(dir, name+".so"), nil
}

// arguments returns QEMU's arguments; the marks go to a file in dir.
func (c *Counter) arguments(dir string) ([]string, error) {
	var text strings.Builder
	for _, mark := range c.Marks {
		fmt.Fprintf(&text, "%x\n", mark)
	}
	marks := filepath.Join(dir, "marks")
	if err := os.WriteFile(marks, []byte(text.String()), 0o600); err != nil {
		return nil, err
	}
	return []string{
		"-accel", "tcg,thread=single", "-plugin", fmt.Sprintf("%s,out=%s,marks=%s", c.Plugin, c.Out, marks),
	}, nil
}
