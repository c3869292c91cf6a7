// Checker judges an exported transparency log (https://c2sp.org/tlog-tiles) by means that share no code with
// the writer: tree and notes are those of Go's checksum database, golang.org/x/mod/sumdb.
//
//	checker DIR VKEYFILE [OLD_CHECKPOINT]
//
// It prints "ok <size> <root>" and exits 0, or says the first thing that is wrong and exits 1: a checkpoint that
// the key did not sign or that speaks for another log; a tile or bundle that is missing or differs by a byte from
// what the entries imply; an entry that cannot be proved through the tiles; a log that does not continue the old
// checkpoint's.
package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	height = 8
	width  = 1 << height
	proofs = 200
)

func main() {
	if len(os.Args) < 3 || len(os.Args) > 4 {
		fmt.Fprintln(os.Stderr, "usage: checker DIR VKEYFILE [OLD_CHECKPOINT]")
		os.Exit(2)
	}
	dir := os.Args[1]
	key, err := note.NewVerifier(strings.TrimSpace(string(read(os.Args[2]))))
	require(err == nil, "%s: %v", os.Args[2], err)

	tree := readCheckpoint(filepath.Join(dir, "checkpoint"), key)
	stored := rebuild(dir, tree)
	checkFiles(dir, tree, stored)
	tiles := tlog.TileHashReader(tree, folder(dir))
	checkInclusion(tree, stored, tiles)
	if len(os.Args) == 4 {
		checkConsistency(readCheckpoint(os.Args[3], key), tree, tiles)
	}
	fmt.Println("ok", tree.N, tree.Hash)
}

func require(good bool, format string, args ...any) {
	if !good {
		fmt.Printf(format+"\n", args...)
		os.Exit(1)
	}
}

func read(path string) []byte {
	data, err := os.ReadFile(path)
	require(err == nil, "%v", err)
	return data
}

// readCheckpoint reads the three lines itself: tlog.ParseTree insists on the Go database's own first line.
func readCheckpoint(path string, key note.Verifier) (tree tlog.Tree) {
	data := read(path)
	opened, err := note.Open(data, note.VerifierList(key))
	require(err == nil, "%s: %v", path, err)
	lines := strings.Split(opened.Text, "\n")
	require(len(lines) == 4, "%s: not three lines", path)
	require(lines[0] == key.Name(), "%s: origin %q is not the key's name %q", path, lines[0], key.Name())
	tree.N, err = strconv.ParseInt(lines[1], 10, 64)
	require(err == nil && tree.N >= 0, "%s: bad size %q", path, lines[1])
	tree.Hash, err = tlog.ParseHash(lines[2])
	require(err == nil, "%s: bad root %q", path, lines[2])

	// Go's base64 ignores unused last bits, so a changed byte could pass: all is spelled out again.
	canonical := fmt.Sprintf("%s\n%d\n%s\n\n", lines[0], tree.N, tree.Hash)
	for _, s := range append(opened.Sigs, opened.UnverifiedSigs...) {
		signature, _ := base64.StdEncoding.DecodeString(s.Base64)
		canonical += fmt.Sprintf("— %s %s\n", s.Name, base64.StdEncoding.EncodeToString(signature))
	}
	require(canonical == string(data), "%s: not in canonical form", path)
	return tree
}

// memory holds all hashes of a tree in the order of tlog.StoredHashIndex.
type memory []tlog.Hash

func (m memory) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		hashes[i] = m[x]
	}
	return hashes, nil
}

// rebuild makes the tree anew from the entry bundles; they must lead to the checkpoint's root.
func rebuild(dir string, tree tlog.Tree) (stored memory) {
	for first := int64(0); first < tree.N; first += width {
		count := int(tree.N - first)
		if count > width {
			count = width
		}
		path := filepath.Join(dir, pathOf(tlog.Tile{H: height, L: -1, N: first / width, W: count}))
		leaves := leafHashes(path)
		require(len(leaves) == count, "%s: %d entries, not %d", path, len(leaves), count)
		for i, leaf := range leaves {
			hashes, err := tlog.StoredHashesForRecordHash(first+int64(i), leaf, stored)
			require(err == nil, "%s: %v", path, err)
			stored = append(stored, hashes...)
		}
	}
	root := rootOf(tree.N, stored)
	require(root == tree.Hash, "the entries have root %v, the checkpoint says %v", root, tree.Hash)
	return stored
}

func rootOf(size int64, stored memory) tlog.Hash {
	if size == 0 { // tlog.TreeHash(0) of x/mod 0.7 is all zeros.
		return sha256.Sum256(nil)
	}
	root, err := tlog.TreeHash(size, stored)
	require(err == nil, "%v", err)
	return root
}

func leafHashes(path string) (leaves []tlog.Hash) {
	for bundle := read(path); len(bundle) > 0; {
		require(len(bundle) >= 2, "%s: trailing byte", path)
		end := 2 + int(binary.BigEndian.Uint16(bundle))
		require(len(bundle) >= end, "%s: entry %d is cut off", path, len(leaves))
		leaves, bundle = append(leaves, tlog.RecordHash(bundle[2:end])), bundle[end:]
	}
	return leaves
}

// checkFiles compares every tile and bundle in the folder with the tree, those of earlier sizes too, and misses
// none that the size requires. What lies beyond the size belongs to a checkpoint that is yet to come.
func checkFiles(dir string, tree tlog.Tree, stored memory) {
	found := map[string]bool{}
	err := filepath.WalkDir(dir, func(name string, entry fs.DirEntry, err error) error {
		path, _ := filepath.Rel(dir, name)
		path = filepath.ToSlash(path)
		if err != nil || entry.IsDir() || !strings.HasPrefix(path, "tile/") {
			return err
		}
		found[path] = true
		checkFile(name, parsePath(path), tree, stored)
		return nil
	})
	require(err == nil, "%v", err)
	for _, tile := range tlog.NewTiles(height, 0, tree.N) {
		// NewTiles lists partial tiles of every width.
		required := tile.W == width || int64(tile.W) == tree.N>>(height*tile.L)%width
		require(found[pathOf(tile)] || !required, "%s is missing", pathOf(tile))
	}
}

func checkFile(name string, tile tlog.Tile, tree tlog.Tree, stored memory) {
	var data []byte
	if tile.L >= 0 {
		data = read(name)
	} else {
		for _, leaf := range leafHashes(name) {
			data = append(data, leaf[:]...)
		}
		tile.L = 0
	}
	if tile.N<<height+int64(tile.W) <= tree.N>>(height*tile.L) {
		expected, err := tlog.ReadTileData(tile, stored)
		require(err == nil && bytes.Equal(data, expected), "%s is not what the entries imply", name)
	}
}

func checkInclusion(tree tlog.Tree, stored memory, tiles tlog.HashReader) {
	for i := int64(0); i < tree.N; i += 1 + tree.N/proofs {
		proof, err := tlog.ProveRecord(tree.N, i, tiles)
		require(err == nil, "entry %d cannot be proved through the tiles: %v", i, err)
		err = tlog.CheckRecord(proof, tree.N, tree.Hash, i, stored[tlog.StoredHashIndex(0, i)])
		require(err == nil, "entry %d is not proved through the tiles: %v", i, err)
	}
}

func checkConsistency(old, tree tlog.Tree, tiles tlog.HashReader) {
	require(old.N <= tree.N, "rolled back: %d entries, there were %d", tree.N, old.N)
	if old.N == 0 {
		require(old.Hash == rootOf(0, nil), "the old checkpoint has no entries but root %v", old.Hash)
		return
	}
	proof, err := tlog.ProveTree(tree.N, old.N, tiles)
	require(err == nil, "consistency cannot be proved through the tiles: %v", err)
	err = tlog.CheckTree(proof, tree.N, tree.Hash, old.N, old.Hash)
	require(err == nil, "the log does not continue the old checkpoint of %d entries: %v", old.N, err)
}

// folder reads tiles from the files of a log.
type folder string

func (folder) Height() int                     { return height }
func (folder) SaveTiles([]tlog.Tile, [][]byte) {}
func (dir folder) ReadTiles(tiles []tlog.Tile) (data [][]byte, err error) {
	for _, tile := range tiles {
		data = append(data, read(filepath.Join(string(dir), pathOf(tile))))
	}
	return data, nil
}

// pathOf and parsePath: where C2SP has tile/<L> and tile/entries, the Go database has tile/8/<L> and tile/8/data.
func pathOf(tile tlog.Tile) string {
	path := strings.TrimPrefix(tile.Path(), "tile/8/")
	return "tile/" + strings.Replace(path, "data/", "entries/", 1)
}

func parsePath(path string) tlog.Tile {
	rest := strings.Replace(strings.TrimPrefix(path, "tile/"), "entries/", "data/", 1)
	tile, err := tlog.ParseTilePath("tile/8/" + rest)
	require(err == nil && pathOf(tile) == path, "%s is not the path of a tile", path)
	return tile
}
