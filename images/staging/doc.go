// Package staging answers how a function of the catalog lies in a disk image:
// which layers it stands on, which files it brings, how it is started.
//
// Functions are installed by their own Makefile, compiled for the guest's ISA,
// and kept from one build to the next, so that an edit of one costs the
// compilation of one. What several functions share lies in the image once: the
// runtimes are layers of package rootfs, npm's packages a layer of this one.
package staging
