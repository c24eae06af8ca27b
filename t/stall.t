# A client that stalls, wherever it does, is let go by Timeout, and by RequestReadTimeout where that is configured.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(wait_for);
use ModSSL::PKI qw(slurp);
use ModSSL::Wire;

# Each stalls a new connection in its own way.
my @STALLS = (
    ['before the first byte', sub { }],
    ['in the record header', sub { $_[0]->put_raw(substr $_[0]->hello, 0, 3) }],
    ['in the middle of the ClientHello', sub { $_[0]->put_raw(substr $_[0]->hello, 0, 60) }],
    ['after ServerHello', sub { $_[0]->put_raw($_[0]->hello); $_[0]->fill(5) }],
    ['after the handshake', sub { $_[0]->handshake }],
    ['in a record of the request', sub { $_[0]->handshake; my $r = $_[0]->seal("GET / HTTP/1.1\r\n\r\n"); $_[0]->put_raw(substr $r, 0, 20) }],
    ['in the request line', sub { $_[0]->handshake; $_[0]->put("GET /") }],
    ['in the headers', sub { $_[0]->handshake; $_[0]->put("GET / HTTP/1.1\r\nHost: lo") }],
    ['in the body', sub { $_[0]->handshake;
        $_[0]->put("POST /cgi/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nabc") }],
    ['in a chunk', sub { $_[0]->handshake;
        $_[0]->put("POST /cgi/echo HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nabc") }],
);

# AcceptFilter: otherwise the kernel hides a connection without data from the server. SendBufferSize: the kernel's
# buffers must not take the whole of the download that the client does not read.
my %CONFIG = (
    'Timeout' => { modules => [], text => "Timeout 2\n" },
    'RequestReadTimeout' => { modules => ['reqtimeout'], text => "Timeout 100\nRequestReadTimeout handshake=1 header=1 body=1\n" },
);

for my $what (sort keys %CONFIG) {
    my $h = ModSSL::Httpd->new(modules => $CONFIG{$what}{modules}, config => $CONFIG{$what}{text} . <<'END');
KeepAliveTimeout 100
AcceptFilter http none
AcceptFilter https none
SendBufferSize 65536
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
END
    $h->file('htdocs/big.txt', 'x' x 20_000_000);
    $h->start or BAIL_OUT($h->why);
    my $port = $h->port;

    for my $version ('1.2', '1.3') {
        # all at once: they wait for the same seconds
        my @waiting;
        for my $stall (@STALLS) {
            my $w = ModSSL::Wire->new(port => $port, version => $version) or BAIL_OUT('no connection');
            $stall->[1]->($w);
            push @waiting, [$stall->[0], $w];
        }
        for my $case (@waiting) {
            my ($where, $w) = @$case;
            ok($w->wait_eof(15), "$what, TLS $version: $where");
        }
    }

    if ($what eq 'Timeout') {
        my $w = ModSSL::Wire->new(port => $port) or BAIL_OUT('no connection');
        $w->handshake or BAIL_OUT($w->error);
        my $client = sprintf ':%04X', $w->sock->sockport;
        $w->put("GET /big.txt HTTP/1.1\r\nHost: localhost\r\n\r\n");
        # it does not see the end, since it reads nothing; the server's side of the connection must go
        my $held = sub {
            my @lines = grep { (split)[2] =~ /\Q$client\E$/ } split /\n/, slurp('/proc/net/tcp');
            return grep { (split)[3] eq '01' } @lines;
        };
        ok($held->(), 'Timeout: a client that does not read has its connection');
        ok(wait_for(15, sub { !$held->() }), 'Timeout: until it is ended');
    }
    ok($h->alive, "$what: server lives");
    unlike($h->errorlog, qr/segmentation fault|BUG/i, "$what: error log");
    ok($h->stop, "$what: server stops");
}
done_testing;
