# SSLSessionTicketKeyFile is read again while the server runs, when a file changes; what makes no sense leaves the keys as
# they are.
use strict;
use warnings;
use Test::More;
use ModSSL::Httpd qw(ours_only wait_for);
use ModSSL::PKI qw(spew);
use ModSSL::Ticket qw(visit key_file);
use File::Temp ();
ours_only('stock reads its files at start');

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
my $WAIT = 60;    # httpd asks every ten seconds

my $current = key_file("$dir/one", 48);
my $other = key_file("$dir/two", 80);
my $elsewhere = key_file("$dir/elsewhere", 80);
my $h = ModSSL::Httpd->new(config => <<"END");
SSLCertificateFile    \@pki\@/ecdsa.crt
SSLCertificateKeyFile \@pki\@/ecdsa.key
<VirtualHost *:\@port:https\@>
    ServerName www.test
    SSLEngine on
    SSLSessionTicketKeyFile $dir/one
    SSLSessionTicketKeyFile $dir/two
</VirtualHost>
<VirtualHost *:\@port:https\@>
    ServerName same.test
    SSLEngine on
    SSLSessionTicketKeyFile $dir/one
    SSLSessionTicketKeyFile $dir/two
</VirtualHost>
<VirtualHost *:\@port:https\@>
    ServerName other.test
    SSLEngine on
    SSLSessionTicketKeyFile $dir/elsewhere
</VirtualHost>
END
$h->start or BAIL_OUT($h->why);
my $pids = join ' ', sort { $a <=> $b } $h->pids;

sub key_of { my ($name) = @_; return visit($h, sni => $name)->{key} }

# Waits for the log to say so; nothing else is said of these files meanwhile.
sub said {
    my ($pattern, $name) = @_;
    ok($h->errorlog_like($pattern, wait => $WAIT), $name);
    return;
}

is(key_of('www.test'), $current, 'the first file seals');
is(key_of('other.test'), $elsewhere, '... in another host that of its own');

# --- a farm's rotation: the old first file becomes the second, a new one takes its place ---------------

my %old = map { $_ => visit($h, version => $_) } '1.2', '1.3';
$h->log_mark;
rename "$dir/one", "$dir/two" or die $!;
my $next = key_file("$dir/one", 80);
said(qr/SSLSessionTicketKeyFile has changed: new keys are in use/, 'files that change are read again');
wait_for($WAIT, sub { key_of('www.test') eq $next });
is(key_of('www.test'), $next, '... the new first file seals');
is(key_of('same.test'), $next, '... in the other host with these files as well');
is(key_of('other.test'), $elsewhere, '... and not in that with another');
for my $version ('1.2', '1.3') {
    my $seen = visit($h, version => $version, session => $old{$version}{session});
    is($seen->{how}, 'resumed', "... TLS $version: what is the second file now opens");
    is($seen->{key}, $next, '... and the client gets a ticket of the first');
}

# --- what is no key -------------------------------------------------------------------------------------

# [what is done to the file, what is said of it]
my @BAD = (
    ['half written', sub { spew("$dir/one", 'x' x 20) },       qr/'\S+one' has changed, but holds neither 48 nor 80 bytes: the old keys stay/],
    ['too long',     sub { spew("$dir/one", 'x' x 81) },       qr/'\S+one' has changed, but holds neither 48 nor 80 bytes: the old keys stay/],
    ['empty',        sub { spew("$dir/one", '') },             qr/'\S+one' has changed, but holds neither 48 nor 80 bytes: the old keys stay/],
    ['gone',         sub { unlink "$dir/one" },                qr/No such file.*'\S+one' has changed, but cannot be read: the old keys stay/],
);
for (@BAD) {
    my ($name, $do, $message) = @$_;
    $h->log_mark;
    $do->();
    said($message, "a file that is $name: an error");
    is(key_of('www.test'), $next, '... the old keys are in use');
}
my $opens = visit($h, session => $old{'1.3'}{session})->{how};
is($opens, 'resumed', '... all of them');
$h->log_mark;
my $mended = key_file("$dir/one", 48);
said(qr/SSLSessionTicketKeyFile has changed: new keys are in use/, 'a file that is mended');
is(key_of('www.test'), $mended, '... is used');
unlike($h->errorlog, qr/has changed, but/, '... and nothing is said of what was before');

$h->log_mark;
chmod 0644, "$dir/one";
said(qr/'\S+one' can be read by everybody on this machine/, 'a file that everybody may read: a warning');

is(join(' ', sort { $a <=> $b } $h->pids), $pids, 'the processes are those of the start');
ok($h->graceful, 'a graceful restart');
is(key_of('www.test'), $mended, '... reads the same');
ok($h->alive, 'server lives');
done_testing;
