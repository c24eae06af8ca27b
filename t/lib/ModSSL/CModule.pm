package ModSSL::CModule;

=head1 NAME

ModSSL::CModule - builds the tests' own httpd modules

=head1 SYNOPSIS

    use ModSSL::CModule;
    my $so = ModSSL::CModule::build('mod_tls_probe', $dir);    # of t/c-modules/; in $dir; skips the file without a compiler
    ... config => "LoadModule tls_probe_module $so\n"

The compiler's flags and the headers are those of the installed httpd, as apxs says.

=cut

use strict;
use warnings;
use File::Basename qw(dirname);
use File::Spec;
use POSIX ();

my $SOURCES = dirname(dirname(dirname(File::Spec->rel2abs(__FILE__)))) . '/c-modules';

sub output_of {
    my (@cmd) = @_;
    my $pid = open my $fh, '-|';
    defined $pid or die "fork: $!\n";
    if (!$pid) {
        open STDERR, '>&', \*STDOUT;
        { exec @cmd }
        POSIX::_exit(127);
    }
    my $text = do { local $/; <$fh> };
    close $fh;
    return ($? >> 8, defined $text ? $text : '');
}

sub build {
    my ($name, $dir) = @_;
    my ($apxs) = grep { -x } map { "$_/apxs" } split /:/, "$ENV{PATH}:/usr/bin";
    my ($cc) = grep { -x } map { "$_/cc" } split /:/, "$ENV{PATH}:/usr/bin";
    if (!$apxs || !$cc) {
        require Test::More;
        Test::More::plan(skip_all => 'no apxs or no compiler');
    }
    my %query;
    for my $what (qw(INCLUDEDIR APR_INCLUDEDIR APU_INCLUDEDIR CFLAGS EXTRA_CPPFLAGS)) {
        my ($status, $value) = output_of($apxs, '-q', $what);
        $query{$what} = $status ? '' : $value =~ s/\s+\z//r;
    }
    my @include = map { "-I$_" } grep { length } @query{qw(INCLUDEDIR APR_INCLUDEDIR APU_INCLUDEDIR)};
    my ($status, $messages) = output_of($cc, split(' ', "$query{CFLAGS} $query{EXTRA_CPPFLAGS}"), @include,
        qw(-shared -fPIC -Wall -o), "$dir/$name.so", "$SOURCES/$name.c", qw(-lssl -lcrypto));
    $status == 0 or die "cannot build $name:\n", substr($messages, 0, 2000), "\n";
    warn $messages if length $messages;
    return "$dir/$name.so";
}

1;
