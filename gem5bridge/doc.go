// Package gem5bridge measures invocations in detail by way of a plugin: it
// starts the plugin, hands it a job and yields its samples one by one.
//
// A plugin is a process of its own that implements Backend and calls Serve: the
// machine's own cores (package host), or gem5. Connect starts it over go-plugin's
// handshake with mutual TLS and returns a Simulator. What it guarantees:
//
//   - Samples arrive in the order in which they were measured, each as soon as
//     it was. Whoever reads slowly holds the plugin back; at most about 128 KiB
//     of samples are on the way.
//   - Every error can be told by errors.Is and errors.As on this side of the
//     wire, the death of the plugin included. What was received before it stays
//     received.
//   - Nothing is left running: not after Close, not after a cancelled job, and
//     not when this process is killed with SIGKILL.
//   - A sample's seed depends on the campaign's seed, the key and the sample's
//     number only (Seed), so the order of asking is irrelevant.
//
// The package stores nothing and decides nothing about what to measure. No
// generated type leaves it.
package gem5bridge
