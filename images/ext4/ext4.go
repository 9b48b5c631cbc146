// Package ext4 makes a whole-disk ext4 image of a directory tree, without
// privileges, mount or loop device.
//
// The image is a function of the tree's names, kinds, permissions and contents, and
// of which of its files are one (hard links, which the image keeps): made twice, also
// by different users and of a copy of the tree, it is the same to the byte. mke2fs
// alone cannot do that, since it copies the owner and the time of the last change of
// each inode; both are put right afterwards in the inode tables, where checksums are
// off for that reason and because a guest would have to compute them.
package ext4

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"

	"microcosm/images/tool"
	"microcosm/images/tree"
)

const (
	blockSize = 4096
	inodeSize = 256

	// identity is the UUID and the seed of directory hashes, epoch the one date
	// of the file system (2024-01-01).
	identity = "6d696372-6f63-4f73-8d00-000000000001"
	epoch    = 1704067200
)

// features of the file system: no journal, since guests mount it read-only or
// throw it away; no checksums; none that only help in growing it.
const features = "none,filetype,extent,sparse_super,large_file,dir_index,ext_attr,extra_isize,flex_bg,dir_nlink,huge_file"

// Make writes the image of the tree at root to path, which must not exist. It
// has spare bytes of free space. On an error nothing is left at path.
func Make(ctx context.Context, root, path string, spare int64) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("make %s: it exists already", path)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("make disk image: %w", errors.Join(err, removeIfThere(path)))
		}
	}()
	blocks, inodes, err := size(root, spare)
	if err != nil {
		return err
	}
	if err := tool.Run(ctx, tool.Command{
		Args: []string{
			"mke2fs", "-q", "-F", "-t", "ext4", "-b", strconv.Itoa(blockSize), "-I", strconv.Itoa(inodeSize), "-m", "0",
			"-O", features, "-U", identity, "-L", "microcosm", "-N", strconv.FormatInt(inodes, 10),
			"-E", "hash_seed=" + identity + ",root_owner=0:0,nodiscard,no_copy_xattrs", "-d", root, path, strconv.FormatInt(blocks, 10),
		},
		Env: []string{"E2FSPROGS_FAKE_TIME=" + strconv.Itoa(epoch), "MKE2FS_CONFIG=/dev/null"},
	}); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(normalise(f), f.Close())
}

// Check runs e2fsck over the image, without changing it.
func Check(ctx context.Context, path string) error {
	if err := tool.Run(ctx, tool.Command{Args: []string{"e2fsck", "-f", "-n", path}}); err != nil {
		return fmt.Errorf("check disk image: %w", err)
	}
	return nil
}

// size returns how many blocks and inodes the image gets.
func size(root string, spare int64) (blocks, inodes int64, err error) {
	content, entries, err := tree.Blocks(root, blockSize)
	if err != nil {
		return 0, 0, err
	}
	inodes = entries + entries/8 + 64
	metadata := inodes*inodeSize/blockSize + 64
	blocks = content + metadata + spare/blockSize
	blocks += blocks/100 + 256                     // extent blocks, group descriptors, bitmaps
	return (blocks + 255) / 256 * 256, inodes, nil // whole MiB
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// Offsets of the on-disk format: Documentation/filesystems/ext4 of the Linux
// kernel, "Super Block", "Block Group Descriptors" and "Index Nodes".
const (
	superOffset        = 1024
	superInodes        = 0x00
	superInodesPerGrp  = 0x28
	superMagic         = 0x38
	superInodeSize     = 0x58
	superROCompat      = 0x64
	roCompatChecksums  = 0x0010 | 0x0400 // gdt_csum, metadata_csum
	groupSize          = 32              // without the feature 64bit
	groupInodeTable    = 0x08
	inodeMode          = 0x00
	inodeOwner         = 0x02
	inodeTimes         = 0x08 // atime, ctime, mtime, dtime: 4 bytes each
	inodeGroup         = 0x18
	inodeOwnerHigh     = 0x78 // and the group's high half after it
	inodeExtra         = 0x84 // ctime, mtime, atime: 4 bytes of extra precision each
	inodeCreation      = 0x90
	inodeCreationExtra = 0x94
)

var le = binary.LittleEndian

// normalise gives every used inode to root and sets all its times to epoch.
func normalise(f *os.File) error {
	super := make([]byte, 1024)
	if _, err := f.ReadAt(super, superOffset); err != nil {
		return err
	}
	if le.Uint16(super[superMagic:]) != 0xEF53 || le.Uint16(super[superInodeSize:]) != inodeSize ||
		le.Uint32(super[superROCompat:])&roCompatChecksums != 0 {
		return errors.New("mke2fs made a file system of another layout than was asked for")
	}
	inodes, perGroup := le.Uint32(super[superInodes:]), le.Uint32(super[superInodesPerGrp:])
	table := make([]byte, int(perGroup)*inodeSize)
	for group := range inodes / perGroup {
		descriptor := make([]byte, groupSize)
		if _, err := f.ReadAt(descriptor, blockSize+int64(group)*groupSize); err != nil {
			return err
		}
		at := int64(le.Uint32(descriptor[groupInodeTable:])) * blockSize
		if _, err := f.ReadAt(table, at); err != nil {
			return err
		}
		for i := 0; i < len(table); i += inodeSize {
			normaliseInode(table[i : i+inodeSize])
		}
		if _, err := f.WriteAt(table, at); err != nil {
			return err
		}
	}
	return nil
}

func normaliseInode(inode []byte) {
	if le.Uint16(inode[inodeMode:]) == 0 {
		return
	}
	le.PutUint16(inode[inodeOwner:], 0)
	le.PutUint16(inode[inodeGroup:], 0)
	le.PutUint32(inode[inodeOwnerHigh:], 0)
	for offset := inodeTimes; offset < inodeTimes+12; offset += 4 {
		le.PutUint32(inode[offset:], epoch)
	}
	clear(inode[inodeExtra : inodeExtra+12])
	le.PutUint32(inode[inodeCreation:], epoch)
	le.PutUint32(inode[inodeCreationExtra:], 0)
}
