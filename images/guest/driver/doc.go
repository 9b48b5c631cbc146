// Package driver does a guest's job: it has sandboxes made, waits until they are
// ready, calls them as the job's steps say, checks every reply and tells of each
// call in a record.
//
// A work item encloses exactly one invocation. Everything else, the checks and
// the records among it, happens between work items. Whatever may wait has a
// deadline. A step that fails is told of with its reason and the sandbox's last
// words; the steps after it are still done, and the job's end says that it
// failed. How sandboxes are made, how time on a core is read and where records
// go is the caller's, so the same driver runs in gem5, in QEMU and on a host.
package driver
