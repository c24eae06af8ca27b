# Variables of the connection in CustomLog, by %{...}x and the older %{...}c, one line a request and nothing that the
# peer sent unescaped (CVE-2024-47252).
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use ModSSL::Httpd qw(is_stock wait_for);
use ModSSL::Client qw(:all);
use ModSSL::Wire;

my $h = ModSSL::Httpd->new(listen => [qw(https plain)], modules => ['http2'], config => <<'CONF');
LogFormat "|%{SSL_PROTOCOL}x|%{SSL_CIPHER}x|%{SSL_TLS_SNI}x|%{HTTPS}x|%{SSL_CLIENT_S_DN}x|%{SSL_CLIENT_VERIFY}x|%{SSL_NO_SUCH}x|%{SSL_SESSION_RESUMED}x|%U" x
LogFormat "|%{version}c|%{cipher}c|%{subjectdn}c|%{issuerdn}c|%{errcode}c|%{errstr}c|%{nonsense}c|%U" c
LogFormat "%h %l %u %t \"%r\" %>s %b %{SSL_TLS_SNI}x" common
CustomLog logs/x x
CustomLog logs/c c
CustomLog logs/common common
ErrorLogFormat "ELF [%-m:%l] %M"
<VirtualHost *:@port:https@>
    ServerName a.test
    Protocols h2 http/1.1
    SSLEngine on
    SSLCertificateFile    @pki@/a.crt
    SSLCertificateKeyFile @pki@/a.key
    SSLCACertificateFile  @pki@/ca.crt
    SSLVerifyClient optional_no_ca
</VirtualHost>
<VirtualHost *:@port:plain@>
    ServerName a.test
</VirtualHost>
CONF
$h->start or die $h->why;

# The line of a log for a path that only one request asked for
my $count = 0;
sub line {
    my ($log, $path) = @_;
    my $line;
    wait_for(5, sub { ($line) = $h->accesslog($log) =~ /^(.*\Q$path\E)$/m; defined $line });
    return defined $line ? $line =~ s/\|\Q$path\E$//r : "no line for $path in $log";
}

sub request {
    my (%o) = @_;
    my $path = '/p' . ++$count;
    my $s = tls_connect(port => $h->port, sni => 'a.test', %o) or return diag "no TLS: $tls_error";
    http_get($s, $path, $o{host} || 'a.test', close => 1);
    return $path;
}

my $CIPHER12 = 'ECDHE-ECDSA-AES128-GCM-SHA256';
my $path = request(version => '1.2', ciphers => $CIPHER12);
is(line('x', $path), "|TLSv1.2|$CIPHER12|a.test|on|-|NONE|-|Initial", '%{...}x, TLS 1.2');
is(line('c', $path), "|TLSv1.2|$CIPHER12|-|-|-|-|-", '%{...}c');

$path = request(version => '1.3', ciphersuites => 'TLS_AES_128_GCM_SHA256');
is(line('x', $path), '|TLSv1.3|TLS_AES_128_GCM_SHA256|a.test|on|-|NONE|-|Initial', '%{...}x, TLS 1.3');

$path = request(version => '1.2', ciphers => $CIPHER12, sni => undef);
is(line('x', $path), "|TLSv1.2|$CIPHER12|-|on|-|NONE|-|Initial", 'no SNI');

$path = request(version => '1.2', ciphers => $CIPHER12, client => 'client');
my $dn = 'emailAddress=client@example.test,CN=Test Client,OU=Test Unit,O=Test Org,L=Testtown,ST=Teststate,C=GB';
is(line('x', $path), "|TLSv1.2|$CIPHER12|a.test|on|$dn|SUCCESS|-|Initial", 'a client certificate');
is(line('c', $path), "|TLSv1.2|$CIPHER12|$dn|CN=Test Root CA|-|-|-", 'and its names by %{...}c');

# A certificate whose names hold what a log line must not
my $cert = ModSSL::PKI::make_cert(dir => $h->root, name => 'hostile', type => 'client',
    subject => "/CN=line\nfeed \"quote\" back\\\\slash \x01\x7f tab\tend");
$path = request(version => '1.2', ciphers => $CIPHER12, cert => $cert, key => $h->root . '/hostile.key');
my $shown = line('x', $path);
like($shown, qr/\|[^|]*line.*feed.*quote.*slash.*end[^|]*\|SUCCESS/, 'a hostile subject stands in one line');
unlike($shown, qr/[\x00-\x1f\x7f]|(?<!\\)"/, 'without control characters or bare quotes');

# HTTP/2 and plain HTTP
$path = '/p' . ++$count;
is((h2_get(port => $h->port, host => 'a.test', path => $path))[0], 404, 'HTTP/2');
like(line('x', $path), qr/^\|TLSv1\.3\|TLS_\w+\|a\.test\|on\|-\|NONE\|-\|Initial$/, 'a stream logs its connection');
$path = '/p' . ++$count;
http_get(raw_connect($h->port('plain')), $path, 'a.test', close => 1);
is(line('x', $path), '|-|-|-|off|-|-|-|-', 'plain HTTP: HTTPS alone has a value');
is(line('c', $path), '|-|-|-|-|-|-|-', 'and none by %{...}c');

# A hostile SNI. OpenSSL refuses a name with a zero byte; what else it lets pass is for the module to escape.
my %seen;
for my $name ("a\"b.test", "a'b.test", "a\nb.test", "a\r\nGET / b", "a\tb.test", "a\x01\x1b[31mb.test", "a\\b.test", "a\x7fb.test",
              "a\xff\xfeb.test", "a b.test", "%{x}a.test", "a<script>.test", '"' x 200, "\n127.0.0.1 - - [fake] \"GET / HTTP/1.1\" 200 1") {
    my $w = ModSSL::Wire->new(port => $h->port, version => '1.2', sni => $name) or die 'no connection';
    my $label = unpack 'H*', substr $name, 0, 12;
    my $path = '/p' . ++$count;
    if (!$w->handshake) {
        pass("SNI $label: refused by the handshake");
        next;
    }
    # without Host the request is refused, with status 400, and logged
    $w->put("GET $path HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
    $w->get_all;
    my $line = line('x', $path);
    like($line, qr/^\|TLSv1\.2\|/, "SNI $label: logged") or next;
    $seen{$name} = 1;
    unlike($line, qr/[\x00-\x1f\x7f-\xff]|(?<!\\)"/, "SNI $label: escaped");
}
ok(scalar keys %seen, 'some of these names got through the handshake: ' . keys %seen);
unlike($h->accesslog('common'), qr/^127\.0\.0\.1 - - \[fake\]/m, 'no line of the client\'s making');
unlike(join('', map { $h->accesslog($_) } qw(x c common)), qr/[^\x0a\x20-\x7e]/, 'printable characters in all of the access logs');
unlike($h->errorlog, qr/[^\x09\x0a\x20-\x7e]/, 'and in the error log');

# ErrorLogFormat
my @odd = grep { length && !/^ELF \[\w+:\w+\] / && !/^\[/ && !/^AH\d+/ } split /\n/, $h->errorlog;
is("@odd", '', 'ErrorLogFormat holds for every line');
like($h->errorlog, qr/^ELF \[ssl:\w+\] /m, 'of this module too');
ok($h->alive, 'the server is up');

done_testing;
