package cluster_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
)

// TestEveryMistakeOfAConfigurationIsNamed breaks a sound configuration in one
// place after the other, and then in all of them.
func TestEveryMistakeOfAConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	breakings := []struct {
		situation string
		spoil     func(*cluster.Config)
		says      string
	}{
		{"a node without cores", func(c *cluster.Config) { c.Nodes[0].Cores = 0 }, "node node-0: cores must lie between 1 and"},
		{"a node of negative memory", func(c *cluster.Config) { c.Nodes[0].MemoryMiB = -1 }, "node node-0: memory must not be negative"},
		{"nothing arrives", func(c *cluster.Config) { c.Functions[0].Arrivals = nil }, "function f: arrivals and scaler must be given"},
		{"no concurrency", func(c *cluster.Config) { c.Functions[0].Concurrency = -1 }, "function f: concurrency must be at least 1, not -1"},
		{"a sandbox of negative size", func(c *cluster.Config) { c.Functions[0].MemoryMiB = -5 }, "function f: a sandbox of -5 MiB fits on no node"},
		{"a queue limit below unlimited", func(c *cluster.Config) { c.Functions[0].QueueLimit = -2 }, "function f: queue limit must be unlimited or at least 0, not -2"},
		{"a platform that was not measured", func(c *cluster.Config) { c.Nodes[0].Platform = "q" }, "function f: no service times on platform q"},
		{"a negative drain", func(c *cluster.Config) { c.Drain = -1 }, "drain and buckets must not be negative"},
		{"no placement", func(c *cluster.Config) { c.Placement = nil }, "must be given"},
		{"no time", func(c *cluster.Config) { c.Horizon = 0 }, "the horizon must be positive"},
		{"no discipline", func(c *cluster.Config) { c.Discipline = cluster.DisciplineInvalid }, "discipline, core choice and binding must be chosen"},
	}
	for _, b := range breakings {
		c := world(t, 1, function("f", &spy{}))
		require.NoError(t, c.Check(), b.situation)
		b.spoil(&c)
		require.ErrorContains(t, c.Check(), b.says, b.situation)
		_, err := cluster.New(c)
		require.ErrorContains(t, err, b.says, b.situation)
	}
	all := world(t, 1, function("f", &spy{}))
	for _, b := range breakings {
		b.spoil(&all)
	}
	err := all.Check()
	for _, b := range breakings {
		require.ErrorContains(t, err, b.says)
	}
	require.Len(t, strings.Split(err.Error(), "\n"), len(breakings), "each once")
}

func TestMistakesOfAWholeConfiguration(t *testing.T) {
	t.Parallel()
	for situation, c := range map[string]struct {
		spoil func(*cluster.Config)
		says  string
	}{
		"no node":                  {func(c *cluster.Config) { c.Nodes = nil }, "a cluster needs a node"},
		"too many cores":           {func(c *cluster.Config) { c.Nodes[0].Cores = cluster.MaxCores + 1 }, "not"},
		"no core choice":           {func(c *cluster.Config) { c.CoreChoice = cluster.CoreInvalid }, "must be chosen"},
		"no binding":               {func(c *cluster.Config) { c.Binding = cluster.BindingInvalid }, "must be chosen"},
		"no load balancer":         {func(c *cluster.Config) { c.NewBalancer = nil }, "must be given"},
		"no placement":             {func(c *cluster.Config) { c.Placement = nil }, "must be given"},
		"no random streams":        {func(c *cluster.Config) { c.Random = nil }, "must be given"},
		"no time":                  {func(c *cluster.Config) { c.Horizon = 0 }, "the horizon must be positive"},
		"all of it warm-up":        {func(c *cluster.Config) { c.WarmUp = c.Horizon }, "the warm-up shorter"},
		"two functions of a name":  {func(c *cluster.Config) { c.Functions = append(c.Functions, c.Functions[0]) }, "function f: another function has this name"},
		"negative buckets":         {func(c *cluster.Config) { c.Buckets = -1 }, "drain and buckets must not be negative, not 1h0m0s and -1"},
		"a negative warm-up":       {func(c *cluster.Config) { c.WarmUp = -1 }, "the warm-up shorter"},
		"more memory than any has": {func(c *cluster.Config) { c.Nodes[0].MemoryMiB, c.Functions[0].MemoryMiB = 100, 101 }, "a sandbox of 101 MiB fits on no node"},
	} {
		config := world(t, 1, function("f", &spy{}))
		c.spoil(&config)
		require.ErrorContains(t, config.Check(), c.says, situation)
	}
	unlimited := world(t, 1, function("f", &spy{}))
	unlimited.Functions[0].MemoryMiB = math.MaxInt32
	require.NoError(t, unlimited.Check(), "a node without a limit holds any sandbox")
}

func TestWordsOfTheChoices(t *testing.T) {
	t.Parallel()
	require.Equal(t, []string{"invalid", "fcfs", "processor-sharing", "invalid"}, []string{
		cluster.DisciplineInvalid.String(), cluster.FCFS.String(), cluster.ProcessorSharing.String(), cluster.Discipline(99).String(),
	})
	require.Equal(t, []string{"invalid", "pinned", "last", "lowest", "random", "invalid"}, []string{
		cluster.CoreInvalid.String(), cluster.CorePinned.String(), cluster.CoreLast.String(), cluster.CoreLowest.String(), cluster.CoreRandom.String(), cluster.CoreChoice(99).String(),
	})
	require.Equal(t, []string{"invalid", "late", "early", "invalid"}, []string{
		cluster.BindingInvalid.String(), cluster.BindLate.String(), cluster.BindEarly.String(), cluster.Binding(99).String(),
	})
}
