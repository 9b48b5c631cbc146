package qemu

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"microcosm/images/cache"
	"microcosm/images/tool"
)

//go:embed plugin/count.c
var pluginSource string

// Counter makes QEMU count the instructions that a guest executes, per block of
// code. Both cores are emulated in one thread then, so that no count is lost.
// A repeated string instruction counts once per repetition.
type Counter struct {
	Plugin string   // shared library; see CompilePlugin
	Marks  []uint64 // addresses whose first executions are to be stamped with the count
	Out    string   // file that the counts are written to, as plugin/count.c describes it
}

// CompilePlugin returns the path of the shared library that counts, compiled
// for this machine.
func CompilePlugin(ctx context.Context, c *cache.Cache) (string, error) {
	dir, err := c.Entry(ctx, cache.Recipe{
		Kind: "qemu-plugin", Key: cache.Key(pluginSource), Need: 1 << 20,
		Build: func(dir string) error {
			source := filepath.Join(dir, "count.c")
			if err := os.WriteFile(source, []byte(pluginSource), 0o644); err != nil {
				return err
			}
			return tool.Run(ctx, tool.Command{Args: []string{
				"gcc", "-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", filepath.Join(dir, "count.so"), source,
			}})
		},
	})
	if err != nil {
		return "", fmt.Errorf("compile the plugin that counts: %w", err)
	}
	return filepath.Join(dir, "count.so"), nil
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
