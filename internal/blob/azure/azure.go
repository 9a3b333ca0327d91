package azure

import (
	"bytes"
	"context"
	"crypto/md5" // the service's transfer check, not a proof of identity
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"lifeboat/internal/blob"
)

// compareLimit is the size up to which an object under a taken name is read back and
// compared byte for byte. Of larger ones size and MD5 are compared, so that storing a
// snapshot's chunks again does not download them.
const compareLimit = 256 << 10

// Store is a blob.Store in one container. It is safe for concurrent use.
type Store struct {
	config    Config
	prefix    string // of every blob's name: "" or ending in '/'
	container *container.Client
}

var _ blob.Store = (*Store)(nil)

// Open checks the configuration and prepares a store. It makes no request: see Check.
func Open(c Config) (*Store, error) {
	if err := c.validate(); err != nil {
		return nil, fmt.Errorf("open %s: %w", c.Location, err)
	}
	client, err := c.client()
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", c.Location, err)
	}
	s := &Store{config: c, container: client}
	if c.Prefix != "" {
		s.prefix = c.Prefix + "/"
	}
	return s, nil
}

// String is the store's URL.
func (s *Store) String() string { return s.config.Location.String() }

// Check asks the service for one page of the list: an early, clear answer to a wrong
// account, a missing container, a firewall or a missing role.
func (s *Store) Check(ctx context.Context) error {
	one := int32(1)
	pager := s.container.NewListBlobsFlatPager(&container.ListBlobsFlatOptions{Prefix: &s.prefix, MaxResults: &one})
	_, err := pager.NextPage(ctx)
	return s.explain("check", s.String(), err)
}

// MakeContainer creates the container, without public access; one that exists is nil.
// Its owner is infrastructure code; this is for emulators and first steps.
func (s *Store) MakeContainer(ctx context.Context) error {
	_, err := s.container.Create(ctx, nil)
	if bloberror.HasCode(err, bloberror.ContainerAlreadyExists) {
		return nil
	}
	return s.explain("make container", s.String(), err)
}

func (s *Store) blob(name string) *blockblob.Client {
	return s.container.NewBlockBlobClient(s.prefix + name)
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, name string, body []byte) error {
	if err := blob.CheckObject(name, body); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	sum := md5.Sum(body) // see the import
	write := s.put
	if len(body) > putLimit {
		write = s.stage
	}
	err := write(ctx, name, body, sum[:])
	if isTaken(err) {
		err = s.compare(ctx, name, body, sum[:], err)
	}
	return s.explain("create", name, err)
}

// put sends body in one request.
func (s *Store) put(ctx context.Context, name string, body, sum []byte) error {
	_, err := s.blob(name).Upload(s.patient(ctx, len(body)), streaming.NopCloser(bytes.NewReader(body)), &blockblob.UploadOptions{
		TransactionalValidation: azblob.TransferValidationTypeMD5(sum),
		HTTPHeaders:             headers(sum),
		AccessConditions:        ifAbsent(),
	})
	return err
}

func headers(sum []byte) *azblob.HTTPHeaders {
	octets := "application/octet-stream"
	return &azblob.HTTPHeaders{BlobContentType: &octets, BlobContentMD5: sum}
}

func ifAbsent() *azblob.AccessConditions {
	anything := azcore.ETagAny
	return &azblob.AccessConditions{ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfNoneMatch: &anything}}
}

// patient bounds each try of an upload by its size, so that a connection that swallows
// bytes is given up.
func (s *Store) patient(ctx context.Context, size int) context.Context {
	o := s.config.retryOptions()
	o.TryTimeout = answerTimeout + time.Duration(size/slowestUpload)*time.Second
	return policy.WithRetryOptions(ctx, o)
}

// compare resolves the answer that name is taken: nil if by the same bytes.
func (s *Store) compare(ctx context.Context, name string, body, sum []byte, taken error) error {
	p, err := s.blob(name).GetProperties(ctx, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		return taken
	}
	if err != nil {
		return err
	}
	if p.ContentLength == nil || *p.ContentLength != int64(len(body)) {
		return fmt.Errorf("%w: %d bytes given, another number there", blob.ErrExists, len(body))
	}
	if len(p.ContentMD5) > 0 && !bytes.Equal(p.ContentMD5, sum) {
		return fmt.Errorf("%w: the MD5 of its %d bytes differs", blob.ErrExists, len(body))
	}
	if len(p.ContentMD5) > 0 && len(body) > compareLimit {
		return nil
	}
	there, err := blob.ReadAll(ctx, s, name, int64(len(body)))
	if err != nil {
		return err
	}
	if !bytes.Equal(there, body) {
		return fmt.Errorf("%w: its %d bytes differ", blob.ErrExists, len(body))
	}
	return nil
}

// Get implements blob.Store. A read that breaks off goes on from its offset; one that
// hangs ends with ctx.
func (s *Store) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	if err := errors.Join(blob.CheckName(name), ctx.Err()); err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	if off < 0 {
		return nil, fmt.Errorf("get %s: negative offset %d", name, off)
	}
	if n == 0 { // a range of no bytes cannot be asked for
		if _, err := s.Stat(ctx, name); err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	part := azblob.HTTPRange{Offset: off}
	if n > 0 {
		part.Count = n
	}
	r, err := s.blob(name).DownloadStream(ctx, &azblob.DownloadStreamOptions{Range: part})
	if bloberror.HasCode(err, bloberror.InvalidRange) { // off is past the end
		return io.NopCloser(bytes.NewReader(nil)), nil
	}
	if err != nil {
		return nil, s.explain("get", name, err)
	}
	body := r.NewRetryReader(ctx, &azblob.RetryReaderOptions{MaxRetries: s.config.retryOptions().MaxRetries})
	return &reader{store: s, name: name, body: body}, nil
}

// reader gives the errors of a broken read their words.
type reader struct {
	store *Store
	name  string
	body  io.ReadCloser
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = r.store.explain("read", r.name, err)
	}
	return n, err
}

func (r *reader) Close() error { return r.body.Close() }

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, name string) (blob.Info, error) {
	if err := errors.Join(blob.CheckName(name), ctx.Err()); err != nil {
		return blob.Info{}, fmt.Errorf("stat %s: %w", name, err)
	}
	p, err := s.blob(name).GetProperties(ctx, nil)
	if err != nil {
		return blob.Info{}, s.explain("stat", name, err)
	}
	return info(name, p.ContentLength, p.CreationTime)
}

func info(name string, size *int64, created *time.Time) (blob.Info, error) {
	if size == nil || created == nil {
		return blob.Info{}, fmt.Errorf("stat %s: the service gave no size or no time", name)
	}
	return blob.Info{Name: name, Size: *size, Created: created.UTC()}, nil
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	if err := errors.Join(blob.CheckName(name), ctx.Err()); err != nil {
		return fmt.Errorf("delete %s: %w", name, err)
	}
	_, err := s.blob(name).Delete(ctx, nil)
	if bloberror.HasCode(err, bloberror.BlobNotFound) {
		return nil
	}
	return s.explain("delete", name, err)
}

// List implements blob.Store, 5,000 objects a request.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(blob.Info{}, fmt.Errorf("list %q: %w", prefix, err))
			return
		}
		options := &container.ListBlobsFlatOptions{}
		if full := s.prefix + prefix; full != "" {
			options.Prefix = &full
		}
		if strings.HasPrefix(after, prefix) && after != "" {
			// A whole name, and inclusive; services that do not know it begin at the
			// beginning, hence the check below.
			from := s.prefix + after
			options.StartFrom = &from
		}
		last := ""
		for pager := s.container.NewListBlobsFlatPager(options); pager.More(); {
			page, err := pager.NextPage(ctx)
			if err != nil {
				yield(blob.Info{}, s.explain("list", prefix, err))
				return
			}
			for _, item := range page.Segment.BlobItems {
				o, err := s.item(item, prefix, last)
				if err != nil {
					yield(blob.Info{}, fmt.Errorf("list %q: %w", prefix, err))
					return
				}
				last = o.Name
				if o.Name > after && !yield(o, nil) {
					return
				}
			}
		}
	}
}

// item checks what a list shows, for nothing that comes from a store is to be trusted.
func (s *Store) item(item *container.BlobItem, prefix, last string) (blob.Info, error) {
	if item == nil || item.Name == nil || item.Properties == nil {
		return blob.Info{}, errors.New("the service named no blob")
	}
	name, inside := strings.CutPrefix(*item.Name, s.prefix)
	if !inside || !strings.HasPrefix(name, prefix) {
		return blob.Info{}, fmt.Errorf("the service listed %q, which is outside", *item.Name)
	}
	if t := item.Properties.ResourceType; t != nil && *t == "directory" || name <= last {
		return blob.Info{}, blob.Permanent(fmt.Errorf("%q listed after %q", name, last),
			"this account has a hierarchical namespace, which lists in another order: use one without")
	}
	if err := blob.CheckName(name); err != nil {
		return blob.Info{}, fmt.Errorf("not an object, move it away: %w", err)
	}
	return info(name, item.Properties.ContentLength, item.Properties.CreationTime)
}
