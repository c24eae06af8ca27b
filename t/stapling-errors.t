# SSLStaplingReturnResponderErrors and SSLStaplingFakeTryLater: what a client gets when there is no answer, here and from the
# stock module. By default: nothing, here.
use strict;
use warnings;
use Test::More;
use IO::Socket::INET;
use ModSSL::Client qw(:all);
use ModSSL::Httpd qw(is_stock wait_for);
use ModSSL::PKI qw(pki_dir slurp spew make_cert);
use ModSSL::Responder;
use ModSSL::Staple qw(staple stapling_host);
use File::Temp ();

my $dir = File::Temp->newdir(DIR => $ENV{MODSSL_WORK} || '/tmp');
chmod 0755, $dir;
my $r = ModSSL::Responder->new;

my %LINES = (
    'nothing'    => '',
    'off'        => 'SSLStaplingReturnResponderErrors off',
    'on'         => 'SSLStaplingReturnResponderErrors on',
    'on, no fake' => "SSLStaplingReturnResponderErrors on\nSSLStaplingFakeTryLater off",
);
# [mode, configured, ours, stock]
my @CASES = (
    ['try-later',      'nothing',     'none',           'trylater'],
    ['try-later',      'off',         'none',           'none'],
    ['try-later',      'on',          'trylater',       'trylater'],
    ['try-later',      'on, no fake', 'trylater',       'trylater'],
    ['unauthorized',   'nothing',     'none',           'unauthorized'],
    ['unauthorized',   'on',          'unauthorized',   'unauthorized'],
    ['unauthorized',   'on, no fake', 'unauthorized',   'unauthorized'],
    ['http-500',       'nothing',     'none',           'trylater'],
    ['http-500',       'off',         'none',           'trylater'],
    ['http-500',       'on',          'trylater',       'trylater'],
    ['http-500',       'on, no fake', 'none',           'none'],
    ['unknown',        'nothing',     'none',           'unknown'],
    ['unknown',        'on',          'trylater',       'unknown'],
    ['unknown',        'on, no fake', 'none',           'unknown'],
    ['unknown',        'off',         'none',           'unknown'],
    ['expired',        'nothing',     'none',           'good'],
    ['expired',        'on',          'trylater',       'good'],
    ['expired',        'on, no fake', 'none',           'good'],
    ['revoked',        'off',         'revoked',        'revoked'],
    ['good',           'off',         'good',           'good'],
);
my $number = 0;
my @hosts = map { { name => 'case' . $number++, mode => $_->[0], lines => $_->[1], wanted => $_->[2 + is_stock()] } } @CASES;
# Connects as soon as asked, and says nothing. A responder of its own, for who says nothing is left alone for a while.
my $silent = IO::Socket::INET->new(Listen => 10, LocalAddr => '127.0.0.1', LocalPort => 0) or die $!;
my $early = { name => 'early', url => 'http://127.0.0.1:' . $silent->sockport . '/', lines => 'on' };
for (@hosts, $early) {
    make_cert(name => $_->{name}, dir => "$dir", key => 'ec', san => ["DNS:$_->{name}.test"]);
    spew("$dir/$_->{name}.crt", slurp("$dir/$_->{name}.crt"), slurp(pki_dir() . '/ca.crt'));
}
# A responder that fails is left alone for a while, which doubles: in an unlucky order, for a minute and more.
my $quick = is_stock() ? '' : "SSLStaplingErrorCacheTimeout 1\n";
my $h = ModSSL::Httpd->new(config => "SSLStaplingCache shmcb:\@root\@/run/stapling(512000)\n$quick"
    . join '', map { stapling_host("$_->{name}.test", "$dir/$_->{name}", 'SSLStaplingForceURL ' . ($_->{url} || $r->url($_->{mode})) . "\n$LINES{ $_->{lines} }") } @hosts, is_stock() ? () : $early);
$h->start or BAIL_OUT($h->why);
if (!is_stock()) {
    is(staple($h, sni => 'early.test'), 'none', 'before the first answer: nothing, whatever is configured');
    ok(wait_for(60, sub { my $log = $h->errorlog; !grep { $log !~ /OCSP stapling for '\S+$_->{name}\.crt'/ } @hosts }), 'all have been asked');
}
is(staple($h, sni => "$_->{name}.test"), $_->{wanted}, "$_->{mode}, $_->{lines}: $_->{wanted}") for @hosts;
done_testing;
