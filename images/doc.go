// Package images builds, for one ISA, a kernel and a disk image with every
// function as a container, and writes down the digest of every part.
//
// In the image, which guests mount read-only:
//
//	/init                  the guest agent, PID 1
//	/usr, /lib, …          the guest's own root: libc and the OCI runtime
//	/layers/NAME           read-only trees that functions share (see rootfs)
//	/layers/index.json     per layer the layers below it, the nearest first
//	/functions/NAME        a function: whatever its packer staged for it
//
// Functions and layers beyond those of package rootfs are handed in as a staged
// directory with the folders functions and layers. The same parts give the same
// image to the byte, whoever builds it and wherever.
package images
