// Package bridgetest holds every plugin to the same contract.
//
// Run is the conformance suite: it starts the plugin as a real process, asks it
// for samples, cancels, kills, floods it and looks through /proc for what it has
// left behind. Clockwork is a small back end that passes the suite and measures
// nothing; Faults are the plugins that go wrong, each in its own way, to test
// the host side with. Main makes a test binary play all of them.
package bridgetest
