# A request body of 200 MB reaches the handler as it was sent: HTTP/1.1 (length known, and chunked) and HTTP/2,
# on every MPM.
use strict;
use warnings;
use File::Temp ();
use Test::More;
use ModSSL::Httpd qw(have_module);
use ModSSL::PKI qw(pki_file);

my $MB = 200;
my $dir = File::Temp->newdir('modssl-big-XXXXXX', DIR => '/tmp');
system("head -c ${MB}M /dev/zero | openssl enc -aes-128-ctr -K ffeeddccbbaa99887766554433221100 -iv 00 >$dir/big 2>/dev/null");
is(-s "$dir/big", $MB << 20, "file of $MB MB");
my ($want) = `sha256sum $dir/big` =~ /^(\w+)/;

sub answer {
    my ($command) = @_;
    my $out = `timeout 100 $command 2>$dir/err`;
    my ($sum) = $out =~ /^(\w{64})\b/m;
    diag "no sum in: $out", `head -c 500 $dir/err` if !$sum;
    return $sum;
}

for my $mpm (qw(event worker prefork)) {
    my $h2 = $mpm ne 'prefork' && have_module('http2');
    my $h = ModSSL::Httpd->new(mpm => $mpm, modules => [$h2 ? 'http2' : ()], config => <<"CONF" . <<'END');
Protocols @{[$h2 ? 'h2 http/1.1' : 'http/1.1']}
CONF
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
END
    $h->cgi('sum', "#!/bin/sh\nprintf 'Content-Type: text/plain\\n\\n'\nsha256sum\n");
    $h->start or die $h->why;
    my $port = $h->port('https');
    my $curl = "curl -q -sS --max-time 90 -H Expect: --cacert " . pki_file('bundle.crt') . " --resolve rsa.test:$port:127.0.0.1";
    my $url = "https://rsa.test:$port/cgi/sum";

    is(answer("$curl --http1.1 -X POST -T $dir/big $url"), $want, "$mpm: HTTP/1.1");
    is(answer("$curl --http1.1 --tls-max 1.2 -X POST -H 'Transfer-Encoding: chunked' -T $dir/big $url"), $want,
        "$mpm: HTTP/1.1, TLS 1.2, chunked");
    SKIP: {
        skip 'mod_http2 needs a threaded MPM', 3 if !$h2;
        is(answer("$curl --http2 -X POST -T $dir/big $url"), $want, "$mpm: h2 by curl");
        is(answer("nghttp -y -d $dir/big https://127.0.0.1:$port/cgi/sum"), $want, "$mpm: h2 by nghttp");
        like($h->accesslog, qr{"POST /cgi/sum HTTP/2.0" 200}, "$mpm: it was HTTP/2");
    }
    ok($h->alive, "$mpm: server lives");
    unlike($h->errorlog, qr/segmentation fault|BUG/i, "$mpm: error log");
    ok($h->stop, "$mpm: server stops");
}
done_testing;
