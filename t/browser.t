# A real browser: headless Chromium loads a page with style sheet, script and thirty images over HTTP/1.1 and HTTP/2, and
# trusts the server by the test authority. What it got is read from the page after its script has looked at every image.
use strict;
use warnings;
use lib 't/lib';
use Test::More;
use Compress::Zlib qw(compress crc32);
use Digest::SHA qw(sha256_base64);
use File::Path qw(make_path);
use POSIX ();
use ModSSL::Httpd;
use ModSSL::PKI qw(pki_file make_cert openssl slurp);

my ($chromium) = grep { -x } map { ("$_/chromium", "$_/chromium-browser") } split /:/, $ENV{PATH};
plan skip_all => 'no Chromium (package chromium)' if !$chromium;
plan skip_all => 'a browser under valgrind times out' if ModSSL::Httpd::is_valgrind();

sub png {
    my ($red, $green, $blue, $size) = @_;
    my $chunk = sub { my ($type, $data) = @_; return pack('N', length $data) . $type . $data . pack('N', crc32($type . $data)) };
    my $row = "\0" . pack('C3', $red, $green, $blue) x $size;
    return "\x89PNG\r\n\x1a\n" . $chunk->('IHDR', pack('N2C5', $size, $size, 8, 2, 0, 0, 0))
        . $chunk->('IDAT', compress($row x $size)) . $chunk->('IEND', '');
}

my $images = 30;
my $h = ModSSL::Httpd->new(modules => ['http2'], listen => [qw(h1 h2)], config => join '', <<'CONF', map { <<"HOST" } qw(h1 h2));
CustomLog @root@/logs/browser "%{local}p %H %r"
AddType application/javascript .js
AddType text/css .css
CONF
<VirtualHost 127.0.0.1:\@port:$_\@>
    ServerName localhost
    Protocols ${\ ($_ eq 'h2' ? 'h2 http/1.1' : 'http/1.1') }
    SSLEngine on
    SSLCertificateFile    \@root\@/conf/local.crt
    SSLCertificateKeyFile \@root\@/conf/local.key
</VirtualHost>
HOST
# a browser wants no certificate that lives for years
make_cert(dir => $h->root . '/conf', name => 'local', cn => 'localhost', san => ['DNS:localhost'], days => 30, key => 'ec');
$h->file("htdocs/i/$_.png", png($_ * 8, 255 - $_ * 8, 128, 8 + $_)) for 1 .. $images;
$h->file('htdocs/style.css', "body { background: rgb(1, 2, 3); color: white } img { width: 24px; height: 24px; margin: 2px }\n");
$h->file('htdocs/script.js', <<'JS');
window.addEventListener('load', function () {
    var images = Array.from(document.images);
    var hops = {};
    performance.getEntriesByType('resource').forEach(function (e) { hops[e.nextHopProtocol] = 1; });
    document.getElementById('result').textContent = [
        'loaded=' + images.filter(function (i) { return i.complete && i.naturalWidth === 8 + Number(i.alt); }).length,
        'css=' + getComputedStyle(document.body).backgroundColor.replace(/ /g, ''),
        'protocols=' + Object.keys(hops).sort().join(','),
        'secure=' + window.isSecureContext
    ].join(' ');
});
JS
$h->file('htdocs/page.html', "<!DOCTYPE html>\n<html><head><title>t</title><link rel=stylesheet href=style.css><script src=script.js></script></head>\n"
    . "<body><p id=result>nothing</p>\n" . join('', map { "<img alt=$_ src=i/$_.png>\n" } 1 .. $images) . "</body></html>\n");
$h->start or die $h->why;

my $home = $h->root . '/home';
make_path("$home/.pki/nssdb");

# The authority in the database that the browser looks at; without certutil the server's key is declared good instead.
my @trust;
my ($certutil) = grep { -x } map { "$_/certutil" } split /:/, $ENV{PATH};
if ($certutil && !$ENV{MODSSL_BROWSER_SPKI}) {
    my $db = "sql:$home/.pki/nssdb";
    my $made = 0 == system $certutil, '-N', '-d', $db, '--empty-password';
    $made &&= 0 == system $certutil, '-A', '-d', $db, '-n', 'test ca', '-t', 'C,,', '-i', pki_file('ca.crt');
    ok($made, 'the authority is in the database');
}
else {
    my $key = openssl('pkey', '-in', $h->root . '/conf/local.key', '-pubout', '-outform', 'DER');
    my $hash = sha256_base64($key);
    @trust = ("--ignore-certificate-errors-spki-list=$hash" . '=' x (-length($hash) % 4));
}

# Runs the browser; returns what it printed. Nothing but localhost can be reached by it.
my $runs = 0;
sub browse {
    my (@args) = @_;
    my $profile = "$home/profile" . ++$runs;
    my $out = "$home/out$runs";
    my $pid = fork;
    defined $pid or die "fork: $!\n";
    if (!$pid) {
        %ENV = (PATH => $ENV{PATH}, HOME => $home, TMPDIR => $home, XDG_RUNTIME_DIR => $home, LC_ALL => 'C.UTF-8');
        POSIX::setsid();
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', $out;
        open STDERR, '>', "$out.err";
        { exec 'timeout', '-k', 5, 120, $chromium, qw(--headless --no-sandbox --disable-gpu --disable-quic --no-first-run
              --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage
              --disable-extensions --disable-default-apps --no-proxy-server --no-default-browser-check --metrics-recording-only),
              '--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1', "--user-data-dir=$profile", @trust, @args }
        POSIX::_exit(127);
    }
    waitpid $pid, 0;
    return slurp($out);
}

# mod_http2 offers nothing under prefork
for my $port ('h1', ModSSL::Httpd::mpm() eq 'prefork' ? () : 'h2') {
    my $url = 'https://localhost:' . $h->port($port) . '/page.html';
    my $dom = browse('--virtual-time-budget=20000', '--dump-dom', $url);
    my ($result) = $dom =~ m{<p id="result">(.*?)</p>};
    is($result, "loaded=$images css=rgb(1,2,3) protocols=" . ($port eq 'h2' ? 'h2' : 'http/1.1') . ' secure=true',
       "$port: everything on the page has been loaded") or diag substr($dom, 0, 300), substr slurp("$home/out$runs.err"), 0, 1000;
    my $picture = "$home/$port.png";
    browse('--virtual-time-budget=20000', '--window-size=800,600', "--screenshot=$picture", $url);
    ok(-s $picture, "$port: a screenshot");
    is(-s $picture && substr(slurp($picture), 0, 8), "\x89PNG\r\n\x1a\n", "$port: is a picture");

    my $number = $h->port($port);
    my @lines = grep { /^$number / } split /\n/, $h->accesslog('browser');
    my %version = map { (split)[1] => 1 } @lines;
    is(join(' ', sort keys %version), $port eq 'h2' ? 'HTTP/2.0' : 'HTTP/1.1', "$port: the log says the same version");
}

# Trust is not a matter of course: a name that is not in the certificate, and an authority that is not in the database
if (!@trust) {
    my $dom = browse('--virtual-time-budget=5000', '--dump-dom', 'https://127.0.0.1:' . $h->port('h1') . '/page.html');
    unlike($dom, qr/id="result"/, 'a name that is not in the certificate: no page');
    rename "$home/.pki", "$home/pki-aside" or die "rename: $!\n";
    $dom = browse('--virtual-time-budget=5000', '--dump-dom', 'https://localhost:' . $h->port('h1') . '/page.html');
    unlike($dom, qr/id="result"/, 'an authority that is not in the database: no page');
}
unlike($h->errorlog, qr/exit signal/, 'nobody crashed');

done_testing;
