package azure

import (
	"bytes"
	"context"
	"crypto/md5" // the service's transfer check, not a proof of identity
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"golang.org/x/sync/errgroup"
)

const (
	// putLimit is the largest body, in bytes, that goes in one request.
	putLimit = 8 << 20
	// blockSize is one staged block. Blocks over 4 MiB get the service's faster path;
	// 50,000 of them are 390 GiB.
	blockSize = 8 << 20
	// blocksAtOnce is how many blocks of one object travel together.
	blocksAtOnce = 4
	// stageTries bounds how often blocks are staged anew after another writer's commit
	// or delete of the same name threw them away.
	stageTries = 3
)

// stage sends body as blocks and commits them if the name is still free.
func (s *Store) stage(ctx context.Context, name string, body, sum []byte) error {
	// Chunks are often there already: ask before sending megabytes.
	if _, err := s.blob(name).GetProperties(ctx, nil); !bloberror.HasCode(err, bloberror.BlobNotFound) {
		if err != nil {
			return err
		}
		return errTaken
	}
	for try := 1; ; try++ {
		err := s.stageOnce(ctx, name, body, sum)
		if !bloberror.HasCode(err, bloberror.InvalidBlockList) || try == stageTries {
			return err
		}
	}
}

func (s *Store) stageOnce(ctx context.Context, name string, body, sum []byte) error {
	var ids []string
	var g errgroup.Group // without its own context: a failed block's error is the one to tell
	g.SetLimit(blocksAtOnce)
	for off := 0; off < len(body); off += blockSize {
		block := body[off:min(off+blockSize, len(body))]
		id := blockID(len(ids), block)
		ids = append(ids, id)
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			check := md5.Sum(block) // see the import
			_, err := s.blob(name).StageBlock(s.patient(ctx, len(block)), id, streaming.NopCloser(bytes.NewReader(block)),
				&blockblob.StageBlockOptions{TransactionalValidation: azblob.TransferValidationTypeMD5(check[:])})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err := s.blob(name).CommitBlockList(s.patient(ctx, 0), ids, &blockblob.CommitBlockListOptions{
		HTTPHeaders:      headers(sum),
		AccessConditions: ifAbsent(),
	})
	return err
}

// blockID names a block by its place and its content: uncommitted blocks are shared by
// all who write the same name, and a list of such ids can only mean these bytes.
func blockID(index int, block []byte) string {
	sum := sha256.Sum256(block)
	raw := binary.BigEndian.AppendUint32(nil, uint32(index))
	return base64.StdEncoding.EncodeToString(append(raw, sum[:]...))
}
