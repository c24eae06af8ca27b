# Responses of all sizes around the limits of records and buffers arrive as they are: files, mapped and read, CGI output
# in small pieces, HEAD, ranges, gzip, SSI; alone and one after the other on a connection; HTTP/1.1 and h2.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(have_module);
use ModSSL::Client qw(:all);

my @SIZES = (0, 1, 16383, 16384, 16385, 32768, 65535, 65536, 100_000, 1_000_000, 5_000_000);

# Different at every offset, so that nothing can be lost, doubled or swapped unseen.
my $text = join '', map { sprintf "%07d\n", $_ } 1 .. 625_000;
my %content = map { $_ => substr $text, 0, $_ } @SIZES;

my $h = ModSSL::Httpd->new(modules => ['deflate', have_module('http2') ? 'http2' : ()], config => <<'END');
MaxKeepAliveRequests 0
Alias /read @htdocs@
<Location /read>
    EnableMMAP off
</Location>
Alias /gzip @htdocs@
<Location /gzip>
    SetOutputFilter DEFLATE
</Location>
<Files *.shtml>
    SetOutputFilter INCLUDES
    ForceType text/html
</Files>
Protocols h2 http/1.1
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
END
$h->file("htdocs/$_.txt", $content{$_}) for @SIZES;
my $ssi = join '', map { "<i><!--#include virtual=\"/$_.txt\" --></i><!--#echo var=\"HTTPS\" -->" } 1, 16384, 16385, 100_000;
$h->file('htdocs/all.shtml', $ssi);
# size in the path; 911 bytes at a time, each written by itself
$h->cgi('pieces', <<'CGI');
#!/usr/bin/perl
use strict;
$| = 1;
my ($size) = $ENV{PATH_INFO} =~ /(\d+)/;
print "Content-Type: text/plain\n\n";
open my $fh, '<', "$ENV{DOCUMENT_ROOT}/$size.txt" or die;
print $_ while sysread $fh, $_, 911;
CGI
$h->start or BAIL_OUT($h->why);
my $port = $h->port('https');

# Tells where two long strings part instead of printing them.
sub same {
    my ($got, $want, $name) = @_;
    my $ok = ok(defined $got && $got eq $want, $name);
    if (!$ok && defined $got) {
        my $at = 0;
        $at++ while $at < length $got && $at < length $want && substr($got, $at, 1) eq substr($want, $at, 1);
        diag sprintf '%d bytes instead of %d, different from %d', length $got, length $want, $at;
    }
    return $ok;
}

for my $version ('1.2', '1.3') {
    my $s = tls_connect(port => $port, version => $version) or BAIL_OUT($tls_error);
    for my $size (@SIZES) {
        for my $way ('', '/read', '/cgi/pieces') {
            my $r = http_get($s, $way eq '/cgi/pieces' ? "$way/$size" : "$way/$size.txt");
            same($r && $r->{complete} ? $r->{body} : undef, $content{$size}, "TLS $version: $size bytes, " . ($way || 'mapped'));
        }
        my $r = http_get($s, "/$size.txt", 'localhost', method => 'HEAD');
        ok($r && $r->{status} == 200 && ($r->{headers}{'content-length'} || 0) == $size, "TLS $version: HEAD, $size bytes");
    }
    for my $range ('0-0', '16383-16384', '1-65536', '4999999-4999999', '16000-4999000') {
        my ($from, $to) = split /-/, $range;
        my $r = http_get($s, '/5000000.txt', 'localhost', headers => { Range => "bytes=$range" });
        is($r && $r->{status}, 206, "TLS $version: range $range: 206");
        same($r && $r->{body}, substr($text, $from, $to - $from + 1), "TLS $version: range $range");
    }
    my $r = http_get($s, '/100000.txt', 'localhost', headers => { Range => 'bytes=0-9,20000-39999,99990-' });
    my ($boundary) = ($r && $r->{headers}{'content-type'} || '') =~ /boundary=(\S+)/;
    my @parts = $boundary ? map { (split /\r\n\r\n/, $_, 2)[1] } (split /\r\n--\Q$boundary\E/, $r->{body})[1 .. 3] : ();
    same(join('|', @parts), join('|', substr($text, 0, 10), substr($text, 20000, 20000), substr($content{100_000}, 99990)),
        "TLS $version: three ranges");

    $r = http_get($s, '/all.shtml');
    same($r && $r->{body}, join('', map { "<i>$content{$_}</i>on" } 1, 16384, 16385, 100_000), "TLS $version: SSI");

    # without keep-alive the end of the connection ends the body
    my $old = tls_connect(port => $port, version => $version) or BAIL_OUT($tls_error);
    $r = http_get($old, '/cgi/pieces/1000000', 'localhost', version => '1.0');
    ok(!defined $r->{headers}{'content-length'}, "TLS $version: HTTP/1.0 CGI: no length") if $r;
    same($r && $r->{body}, $content{1_000_000}, "TLS $version: HTTP/1.0 CGI: the end of the connection ends it");
}

for my $size (@SIZES) {
    my ($status, $headers, $body) = curl(resolve('rsa.test', $port), '--http1.1', '--compressed', "https://rsa.test:$port/gzip/$size.txt");
    same($body, $content{$size}, "gzip: $size bytes");
    is($headers->{'content-encoding'}, 'gzip', "gzip: $size bytes were compressed") if $size > 1;
}

SKIP: {
    skip 'no HTTP/2', 2 if !have_module('http2') || ModSSL::Httpd::mpm() eq 'prefork';
    for my $size (@SIZES) {
        for my $path ("/$size.txt", "/read/$size.txt", "/cgi/pieces/$size") {
            my ($status, undef, $body) = h2_get(port => $port, host => 'rsa.test', path => $path);
            same($body, $content{$size}, "h2: $path");
            is($curl_info{http_version}, 2, "h2: $path was HTTP/2");
        }
    }
}
ok($h->alive, 'server lives');
unlike($h->errorlog, qr/segmentation fault|BUG/i, 'error log');
done_testing;
