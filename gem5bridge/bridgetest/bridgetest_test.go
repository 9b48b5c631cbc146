package bridgetest_test

import (
	"testing"

	"microcosm/gem5bridge"
	"microcosm/gem5bridge/bridgetest"
)

func TestMain(m *testing.M) {
	bridgetest.Main(m, map[string]func(){"clockwork": func() { gem5bridge.Serve(bridgetest.Clockwork{}) }})
}

func TestClockworkConforms(t *testing.T) {
	t.Parallel()
	bridgetest.Run(t, func(*testing.T) bridgetest.Subject { return bridgetest.ClockworkSubject("clockwork") })
}
