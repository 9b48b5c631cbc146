package policy_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"microcosm/cosim/cluster"
	"microcosm/cosim/policy"
)

// TestEveryPolicyIsDocumented looks for each policy, its parameters and their
// defaults in one line of its family's table.
func TestEveryPolicyIsDocumented(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("POLICIES.md")
	require.NoError(t, err)
	for section, family := range map[string]any{
		"load-balancing": policy.Balancings(), "placement": policy.Placements(), "keep-alive": policy.Keepings(),
		"retry": policy.Retries(), "hedging": policy.Hedgings(),
	} {
		_, table, found := strings.Cut(string(text), "## `cluster."+section+"`")
		require.True(t, found, section)
		table, _, _ = strings.Cut(table, "\n## ")
		rows := 0
		for of := reflect.ValueOf(family).MapRange(); of.Next(); rows++ {
			_, line, found := strings.Cut(table, "\n| `"+of.Key().String()+"` |")
			require.True(t, found, "%s: %s", section, of.Key())
			line, _, _ = strings.Cut(line, "\n")
			for _, p := range parameters(of.Value().Elem()) {
				require.Contains(t, line, "`"+p+"`", "%s: %s", section, of.Key())
			}
		}
		require.Equal(t, rows, strings.Count(table, "\n| `"), "%s: the table has a policy that does not exist", section)
	}
}

// parameters returns the exported fields of a policy as scenarios write them.
func parameters(v reflect.Value) (list []string) {
	if v.Kind() != reflect.Struct {
		return nil
	}
	for i := range v.NumField() {
		f := v.Type().Field(i)
		if !f.IsExported() {
			continue
		}
		text := fmt.Sprint(v.Field(i))
		if d, ok := v.Field(i).Interface().(time.Duration); ok {
			text = shortly(d)
		}
		list = append(list, f.Tag.Get("yaml")+": "+text)
	}
	return list
}

// shortly writes 1m for 1m0s, and 380s rather than 6m20s.
func shortly(d time.Duration) string {
	switch d {
	case cluster.Unlimited:
		return "unlimited"
	case 380 * time.Second:
		return "380s"
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
