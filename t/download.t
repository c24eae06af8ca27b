# A file of 200 MB arrives as it is on the disk: HTTP/1.1 and HTTP/2, memory-mapped and read, on every MPM.
use strict;
use warnings;
use File::Temp ();
use Test::More;
use ModSSL::Httpd qw(have_module);
use ModSSL::PKI qw(pki_file);

my $MB = 200;
my $dir = File::Temp->newdir('modssl-big-XXXXXX', DIR => '/tmp');
chmod 0755, "$dir";

# Not compressible, no repeated blocks: a block that is lost, doubled or swapped changes the sum.
system("head -c ${MB}M /dev/zero | openssl enc -aes-128-ctr -K 00112233445566778899aabbccddeeff -iv 00 >$dir/big 2>/dev/null");
chmod 0644, "$dir/big";
is(-s "$dir/big", $MB << 20, "file of $MB MB");
my ($want) = `sha256sum $dir/big` =~ /^(\w+)/;

sub sum_of {
    my ($command) = @_;
    my ($sum) = `timeout 100 $command 2>$dir/err | sha256sum` =~ /^(\w+)/;
    return $sum;
}

for my $mpm (qw(event worker prefork)) {
    my $h2 = $mpm ne 'prefork' && have_module('http2');
    my $h = ModSSL::Httpd->new(mpm => $mpm, modules => [$h2 ? 'http2' : ()], config => <<"CONF" . <<'END');
Protocols @{[$h2 ? 'h2 http/1.1' : 'http/1.1']}
Alias /map $dir
Alias /read $dir
<Directory $dir>
    Require all granted
</Directory>
CONF
<Location /read>
    EnableMMAP off
</Location>
SSLEngine on
SSLCertificateFile    @pki@/rsa.crt
SSLCertificateKeyFile @pki@/rsa.key
END
    $h->start or die $h->why;
    my $port = $h->port('https');
    my $curl = "curl -q -sS --max-time 90 --cacert " . pki_file('bundle.crt') . " --resolve rsa.test:$port:127.0.0.1";
    my $url = "https://rsa.test:$port";

    is(sum_of("$curl --http1.1 $url/map/big"), $want, "$mpm: HTTP/1.1, mmap");
    is(sum_of("$curl --http1.1 --tls-max 1.2 $url/read/big"), $want, "$mpm: HTTP/1.1, TLS 1.2, no mmap");
    SKIP: {
        skip 'mod_http2 needs a threaded MPM', 3 if !$h2;
        is(sum_of("$curl --http2 $url/map/big"), $want, "$mpm: h2 by curl");
        is(sum_of("nghttp -y -w 24 -W 24 https://127.0.0.1:$port/read/big"), $want, "$mpm: h2 by nghttp");
        like($h->accesslog, qr{"GET /map/big HTTP/2.0" 200}, "$mpm: it was HTTP/2");
    }
    ok($h->alive, "$mpm: server lives");
    unlike($h->errorlog, qr/segmentation fault|BUG/i, "$mpm: error log");
    ok($h->stop, "$mpm: server stops");
}
done_testing;
